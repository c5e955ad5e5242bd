// The one thread on which a daemon's own code runs.
//
// A daemon has one event loop (DESIGN.md, section 5). Everything that is not blocking lives on this actor, whose executor is that loop: a
// session is a straight-line async function, shared state needs no locks, and a channel handler already runs here. The loop comes into being
// at first use: after the jail, never before.

public import NIOCore
import NIOPosix

/// The isolation of all code on the process's event loop.
///
/// Every `await` lets other tasks run, also `await withCheckedContinuation` before its body: a task whose preferred executor is not the one that
/// its job came by is enqueued anew there. So a body asks again whether there is anything to wait for before it stores the continuation.
@globalActor
public actor ServiceActor {
    public static let shared = ServiceActor()

    /// The process's only event loop.
    public nonisolated let eventLoop: any EventLoop
    private nonisolated let group: MultiThreadedEventLoopGroup

    private init() {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        eventLoop = group.next()
    }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

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

    /// Starts `operation` on the loop from any thread.
    ///
    /// Without a preferred task executor, on purpose. With one, the runtime re-enqueues the task at every call of an isolated function,
    /// also when it runs on the loop already (the loop's jobs carry no task executor to compare with). Then the body of
    /// `withCheckedContinuation` runs after a real suspension, and what happens between a check and the wait that follows it is lost: a
    /// hang. The price is that a continuation resumes by way of the global pool; an executor of our own that is both kinds would save it.
    @discardableResult
    public static nonisolated func start<Value: Sendable>(
        _ operation: @escaping @Sendable @ServiceActor () async -> Value
    ) -> Task<Value, Never> {
        Task { @ServiceActor in await operation() }
    }
}
