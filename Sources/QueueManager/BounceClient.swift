// The bounce service as the queue manager sees it. Every answer that is not `done` counts as not done.

import MailIPC
import MailLog
import MailModel
import NIOCore
import ServiceKit

@ServiceActor
final class BounceClient: BounceRecording {
    private let client: IPCClient
    private let timeout: TimeAmount
    private let log: MailLog
    /// Records on their way at the same time.
    private static let width = 32

    init(path: String, timeout: TimeAmount, log: MailLog) {
        client = IPCClient(path: path, protocol: .bounce)
        self.timeout = timeout
        self.log = log
    }

    func append(_ records: [BounceRecord]) async -> [Bool] {
        var results: [Bool] = []
        var rest = records[...]
        while !rest.isEmpty {
            let batch = rest.prefix(BounceClient.width).map { record in
                ServiceActor.start { await self.ask(BounceFrame.append, record.encoded) }
            }
            rest = rest.dropFirst(BounceClient.width)
            for task in batch { results.append(await task.value) }
        }
        return results
    }

    func notify(_ notice: BounceNotice) async -> Bool { await ask(BounceFrame.notify, notice.encoded) }

    func forget(_ id: QueueID) async { _ = await ask(BounceFrame.forget, id.encoded) }

    func deferrals(of id: QueueID) async -> [BounceRecord] {
        do {
            let frame = try await client.request(BounceFrame.read, id.encoded, timeout: timeout)
            guard frame.type == BounceFrame.records else { throw IPCError.violation("frame type \(frame.type)") }
            var decoder = ByteDecoder(frame.payload)
            let records = try decoder.takeList { d throws(ByteDecodingError) in try BounceRecord(from: &d) }
            try decoder.finish()
            return records
        } catch {
            log.warning("\(id): bounce service: \(error)")
            return []
        }
    }

    private func ask(_ type: UInt8, _ payload: [UInt8]) async -> Bool {
        do {
            let frame = try await client.request(type, payload, timeout: timeout)
            if frame.type == BounceFrame.done { return true }
            log.warning("bounce service: \(frame.type == BounceFrame.failed ? frame.reason : "unexpected frame type \(frame.type)")")
        } catch {
            log.warning("bounce service: \(error)")
        }
        return false
    }
}
