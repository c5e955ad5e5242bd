import MailIPC
import MailModel

enum DeliveryRequestForTest {
    static func make(_ envelope: Envelope, nextHop: String, length: UInt64) -> DeliveryRequest {
        DeliveryRequest(
            queueID: QueueID(microseconds: 1, unique: 1), transport: "smtp", nextHop: nextHop, envelope: envelope, contentFacts: [],
            contentOffset: 0, contentLength: length, activated: 0)
    }
}
