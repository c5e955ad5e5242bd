// A program whose event loop does nothing any more is ended, so that master starts another one (daemon_timeout, as Postfix's watchdog).
//
// The main thread asks the loop now and then for a sign of life. Known limits: a session that waits for its peer does not hold up the loop
// and has timeouts of its own; `local` has no loop.

import Synchronization

/// The watch over an event loop. Times are microseconds of a clock that never jumps.
final class LoopWatchdog: Sendable {
    enum Finding: Hashable, Sendable {
        /// Nothing to do.
        case fine
        /// The loop is to be asked: whoever runs on it calls ``answer(now:)``.
        case ask
        /// It has not answered within the limit.
        case stuck
    }

    private struct State {
        var askedAt: Int64?
        var nextQuestion: Int64
        /// When it is looked whether there was an answer, so that the next question comes in time.
        var nextLook: Int64
    }

    private let limit: Int64
    private let interval: Int64
    private let state: Mutex<State>

    /// - Parameters:
    ///   - seconds: how long the loop may be silent.
    ///   - interval: how often it is asked, in microseconds; nil for what the limit suggests.
    init(seconds: Int, interval: Int64? = nil, now: Int64) {
        limit = Int64(seconds) * 1_000_000
        let interval = interval ?? max(1_000_000, limit / 3)
        self.interval = interval
        state = Mutex(State(askedAt: nil, nextQuestion: now + interval, nextLook: .max))
    }

    /// When ``check(now:)`` is to be called at the latest.
    var deadline: Int64 { state.withLock { state in state.askedAt.map { min($0 + limit, state.nextLook) } ?? state.nextQuestion } }

    func check(now: Int64) -> Finding {
        state.withLock { state in
            if let asked = state.askedAt {
                if now >= state.nextLook { state.nextLook = now + interval }
                return now >= asked + limit ? .stuck : .fine
            }
            guard now >= state.nextQuestion else { return .fine }
            state.askedAt = now
            state.nextLook = now + interval
            return .ask
        }
    }

    func answer(now: Int64) {
        state.withLock { state in
            state.askedAt = nil
            state.nextQuestion = now + interval
        }
    }
}
