// Queries under way in libunbound: each begins and ends on the event loop, and has a deadline.
//
// Threads: libunbound's worker does all network work. One thread of ours waits for its descriptor; the results are taken on the event loop.
// Security: answers are of the Internet; they are copied with bounds before libunbound frees them, and parsed by no one here.

import CUnbound
import DNSClient
import MailLog
import NIOCore
import NIOPosix
import ServiceKit
import SystemKit

@ServiceActor
final class UnboundQueries {
    /// Queries under way at a time; more are refused, and what needed them is deferred.
    static let limit = 2000

    private struct Pending {
        var identifier: Int32
        var timer: Scheduled<Void>
        var continuation: CheckedContinuation<Result<DNSAnswer, DNSQueryError>, Never>
    }

    /// The one of this process: a C callback has no other way to find it.
    private static var current: UnboundQueries?

    private let context: UnboundContext
    private let log: MailLog
    private var pending: [UInt: Pending] = [:]
    private var lastKey: UInt = 0

    init(_ context: UnboundContext, log: MailLog) {
        self.context = context
        self.log = log
        UnboundQueries.current = self
    }

    /// Takes results from libunbound for as long as the process lives.
    func run() {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let descriptor = ub_fd(context.pointer)
        let log = self.log
        ServiceActor.start { [self] in
            do {
                while true {
                    _ = try await pool.runIfActive { try Polling.isReadable(descriptor, within: nil) }
                    let code = ub_process(context.pointer)
                    if code != 0 { throw UnboundError(code, "taking results") }
                }
            } catch {
                // Without its worker the resolver is of no use; master starts another.
                log.fatal("\(error)")
                ProcessSpawn.exit(1)
            }
        }
    }

    /// Asks, and waits until there is an answer or the time is over.
    func ask(_ question: DNSQuestion, timeout: TimeAmount) async throws(DNSQueryError) -> DNSAnswer {
        guard pending.count < UnboundQueries.limit else { throw DNSQueryError("too many queries under way") }
        // 0 would be a null pointer.
        lastKey = lastKey == UInt.max ? 1 : lastKey + 1
        let key = lastKey
        // Results are taken on this actor only, so none can arrive between the question and the storing of the continuation: both are made here,
        // with no await between them.
        return try await withCheckedContinuation { (continuation: CheckedContinuation<Result<DNSAnswer, DNSQueryError>, Never>) in
            var identifier: Int32 = 0
            let internet: Int32 = 1
            let code = ub_resolve_async(
                context.pointer, question.name.text, Int32(question.type.rawValue), internet, UnsafeMutableRawPointer(bitPattern: key),
                UnboundQueries.arrived, &identifier)
            guard code == 0 else { return continuation.resume(returning: .failure(DNSQueryError(UnboundError.text(code)))) }
            let timer = ServiceActor.loop.scheduleTask(in: timeout) {
                ServiceActor.assumeIsolated { self.expire(key) }
            }
            pending[key] = Pending(identifier: identifier, timer: timer, continuation: continuation)
        }.get()
    }

    private func expire(_ key: UInt) {
        guard let query = pending.removeValue(forKey: key) else { return }
        // Whether it succeeds or not: the key is gone, so a late result finds no one.
        _ = ub_cancel(context.pointer, query.identifier)
        query.continuation.resume(returning: .failure(DNSQueryError("Host not found, try again (no answer in time)")))
    }

    private func finish(_ key: UInt, _ result: Result<DNSAnswer, DNSQueryError>) {
        guard let query = pending.removeValue(forKey: key) else { return }
        query.timer.cancel()
        query.continuation.resume(returning: result)
    }

    /// Called by ub_process, which `run` calls on the event loop.
    private static nonisolated let arrived: ub_callback_type = { data, code, result in
        let key = UInt(bitPattern: data)
        let answer: Result<DNSAnswer, DNSQueryError>
        if code == 0, let result {
            answer = .success(DNSAnswer(result.pointee))
        } else {
            answer = .failure(DNSQueryError(UnboundError.text(code)))
        }
        ub_resolve_free(result)
        ServiceActor.assumeIsolated { current?.finish(key, answer) }
    }
}

extension DNSAnswer {
    /// A copy of what libunbound found, with the bounds of ``DNSAnswer``. `data` ends with a null pointer and has as many lengths as
    /// elements (struct ub_result in unbound.h).
    fileprivate init(_ result: ub_result) {
        var records: [[UInt8]] = []
        // Bogus data leave the process as a verdict only: nobody can use them by mistake.
        if result.havedata != 0, result.bogus == 0, let data = result.data, let lengths = result.len {
            while records.count < DNSAnswer.maximumRecords, let bytes = data[records.count] {
                let length = min(max(Int(lengths[records.count]), 0), DNSAnswer.maximumDataSize)
                records.append(Array(UnsafeRawBufferPointer(start: bytes, count: length)))
            }
        }
        let code = UInt16(truncatingIfNeeded: result.rcode)
        // An error says nothing of how long it will last.
        let isAnswer = result.bogus == 0 && (code == DNSResponseCode.noError || code == DNSResponseCode.noSuchName)
        var canonicalName = result.canonname.map { String(String(cString: $0).prefix(1000)) } ?? ""
        if canonicalName.hasSuffix(".") { canonicalName.removeLast() }
        self.init(
            responseCode: code, security: result.bogus != 0 ? .bogus : result.secure != 0 ? .secure : .insecure, data: records,
            ttl: isAnswer ? UInt32(clamping: result.ttl) : 0, canonicalName: canonicalName,
            bogusReason: result.why_bogus.map { String(String(cString: $0).prefix(1000)) } ?? "")
    }
}
