// What an administrator is told when the queue manager gives no good answer.

import MailIPC
import Testing

@testable import Administration

@Suite struct QueueClientTests {
    /// Whoever reads that an order was not carried out must be able to rely on it.
    @Test(arguments: [
        (IPCError.timedOut, true), (.broken("closed without an answer"), true), (.violation("no such thing"), false),
        (.unreachable("x"), false),
    ]) func anOrderThatMayBeCarriedOutIsNotDenied(error: IPCError, mayBeDone: Bool) {
        let text = QueueClient.explanation(error)
        #expect(text.contains("did not do it") == !mayBeDone)
        #expect(text.contains("mailq") == mayBeDone && text.contains(" may ") == mayBeDone)
    }
}
