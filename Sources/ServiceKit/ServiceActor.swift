// The one thread on which a daemon's own code runs.
//
// A daemon has one event loop (DESIGN.md, section 5). Everything that is not blocking lives on this actor, whose executor is that loop: a
// session is a straight-line async function, shared state needs no locks, and a channel handler already runs here. The loop comes into being
// at first use: after the jail, never before.

public import NIOCore
import NIOPosix

/// The isolation of all code on the process's event loop.
///
/// Every `await` lets other tasks run. A body of `withCheckedContinuation` asks again whether there is anything to wait for before it stores the
/// continuation: a task that was not made by ``start(_:)`` is enqueued anew before the body runs (``LoopExecutor``).
@globalActor
public actor ServiceActor {
    public static let shared = ServiceActor()

    /// The process's only event loop.
    public nonisolated let eventLoop: any EventLoop
    private nonisolated let group: MultiThreadedEventLoopGroup
    private nonisolated let executor: LoopExecutor

    private init() {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        eventLoop = group.next()
        executor = LoopExecutor(loop: eventLoop)
    }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The process's only event loop, as NIO's bootstraps want it.
    public static var loop: any EventLoop { shared.eventLoop }

    /// Runs `operation` at once; for channel handlers and loop callbacks, which NIO runs on the loop.
    ///
    /// Traps when called elsewhere.
    public static nonisolated func assumeIsolated<Result>(_ operation: @ServiceActor () throws -> Result) rethrows -> Result {
        shared.eventLoop.preconditionInEventLoop()
        // Proof: the precondition shows that this thread is the actor's executor, so the isolation that the cast takes from the function's
        // type holds. MainActor.assumeIsolated of the standard library does the same.
        return try withoutActuallyEscaping(operation) { escaping in
            let plain = unsafeBitCast(escaping, to: (() throws -> Result).self)
            return try plain()
        }
    }

    /// Calls `operation` on the loop, from any thread: for what does not wait, and so needs no task.
    static nonisolated func call(_ operation: @escaping @Sendable @ServiceActor () -> Void) {
        shared.eventLoop.execute { assumeIsolated(operation) }
    }

    /// Starts `operation` on the loop from any thread. Its continuations resume on the loop, without a detour (``LoopExecutor``).
    @discardableResult
    public static nonisolated func start<Value: Sendable>(
        _ operation: @escaping @Sendable @ServiceActor () async -> Value
    ) -> Task<Value, Never> {
        Task(executorPreference: shared.executor) { await operation() }
    }
}
