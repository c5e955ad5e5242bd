// One connection with the session on it: does what the state machine asks for, and tells it what came of it.
//
// Security: every wait has a deadline by its stage, counted from reply to reply, so that a peer that sends a byte a minute gains nothing.
// Where content cannot be read to its end, the connection is cut without an end of data: half a message is never delivered.

import MailModel
import NIOCore
import SMTPProtocol
import ServiceKit
import SystemKit
import TLS

/// A conversation with one host, for one message after the other.
@ServiceActor
final class Conversation {
    let endpoint: Endpoint
    private(set) var session: ClientSession
    /// When it was connected, microseconds since 1970.
    let begun: Int64
    /// There was no further host to try when it was made: what it cannot deliver is deferred or bounced at once.
    var isLastHost = false
    private(set) var tlsFacts: TLSSessionFacts?
    /// Why TLS failed, for the log.
    private(set) var tlsProblem = ""

    private let peer: any PeerConnection
    private let parameters: ClientParameters
    private var deadline: (replies: Int, stage: ClientStage, at: NIODeadline)?

    init(_ peer: any PeerConnection, endpoint: Endpoint, options: ClientSession.Options, parameters: ClientParameters, now: Int64) {
        self.peer = peer
        self.endpoint = endpoint
        self.parameters = parameters
        begun = now
        session = ClientSession(options: options)
    }

    /// Greeting, EHLO, STARTTLS. nil when the session is ready.
    func open() async -> ClientFailure? {
        await play(nil)
        return session.failure
    }

    /// One transaction. The results are in the order of its recipients.
    func deliver(_ transaction: ClientTransaction, _ content: OutgoingContent) async -> [ClientSession.Verdict] {
        session.begin(transaction)
        await play(content)
        return session.takeVerdicts()
    }

    /// Says QUIT where that is in order, and closes.
    func end() async {
        guard session.failure == nil else { return peer.abort() }
        session.quit()
        if parameters.skipsQuitResponse {
            // Postfix, smtp_skip_quit_response: the peer's farewell is not worth a round trip.
            if case .write(let bytes) = session.nextAction() { peer.write(bytes) }
        } else {
            await play(nil)
        }
        peer.close()
    }

    // MARK: playing

    private func play(_ given: OutgoingContent?) async {
        var content = given
        while true {
            switch session.nextAction() {
            case .write(let bytes): peer.write(bytes)
            case .read(let stage): await read(stage)
            case .startTLS: await startTLS()
            case .sendContent:
                guard var whole = content else {
                    cut()
                    continue
                }
                await send(&whole)
            case .sendChunk:
                guard var rest = content else {
                    cut()
                    continue
                }
                await sendChunk(&rest)
                content = rest
            case .idle: return
            case .close:
                if session.failure != nil { peer.abort() }
                return
            }
        }
    }

    private func deadline(for stage: ClientStage) -> NIODeadline {
        if let deadline, deadline.replies == session.replyCount, deadline.stage == stage { return deadline.at }
        let at = NIODeadline.now() + .seconds(Int64(parameters.timeouts.seconds(for: stage)))
        deadline = (session.replyCount, stage, at)
        return at
    }

    private func read(_ stage: ClientStage) async {
        let deadline = deadline(for: stage)
        do throws(ConnectionError) {
            try await peer.flush(deadline: deadline)
            if let bytes = try await peer.read(deadline: deadline) { session.received(bytes) } else { session.connectionLost() }
        } catch {
            if error == .timedOut { session.timedOut() } else { session.connectionLost() }
        }
    }

    private func startTLS() async {
        do throws(ConnectionError) {
            let name = endpoint.tlsName.isEmpty ? endpoint.host : endpoint.tlsName
            let facts = try await peer.startTLS(serverName: name, deadline: deadline(for: .startTLS))
            tlsFacts = facts
            session.tlsStarted()
        } catch {
            tlsProblem = error.description
            session.tlsFailed()
        }
    }

    // MARK: content

    private func cut() {
        session.contentFailed()
        peer.abort()
    }

    private func send(_ content: inout OutgoingContent) async {
        var encoder = ClientContentEncoder(facts: content.facts, lineLimit: parameters.lineLengthLimit)
        let file: MessageContent.FilePart?
        do throws(SystemError) {
            file = encoder.isPassthrough && peer.sendsFiles ? try content.filePart() : nil
        } catch {
            return cut()
        }
        if let file {
            encoder.pass(last: file.lastTwo)
            var done = 0
            while done < file.count {
                let count = min(Conversation.filePiece, file.count - done)
                do throws(ConnectionError) {
                    try await peer.send(file: file.descriptor, from: file.offset + done, count: count, patience: transferTime)
                } catch {
                    return await contentAborted(error)
                }
                done += count
            }
        } else {
            var piece = ByteBuffer()
            var encoded: [UInt8] = []
            while true {
                let isLast: Bool
                do throws(SystemError) { isLast = try content.next(&piece) } catch { return cut() }
                if encoder.isPassthrough {
                    encoder.pass(last: Array(piece.readableBytesView.suffix(2)))
                    peer.write(piece)
                } else {
                    encoded.removeAll(keepingCapacity: true)
                    piece.withUnsafeReadableBytes { encoder.encode($0, into: &encoded) }
                    peer.write(encoded)
                }
                if isLast { break }
                guard await flushContent() else { return }
            }
        }
        // The last piece goes out together with the end of data.
        peer.write(encoder.finish())
        if await flushContent() { session.contentSent() }
    }

    private func sendChunk(_ content: inout OutgoingContent) async {
        var piece = ByteBuffer()
        let isLast: Bool
        do throws(SystemError) { isLast = try content.next(&piece) } catch { return cut() }
        peer.write(ClientContentEncoder.chunkHeader(size: piece.readableBytes, isLast: isLast))
        peer.write(piece)
        if await flushContent() { session.chunkSent(isLast: isLast) }
    }

    /// After this much of a file others have their turn: a fast host would keep the loop in one call for all of it.
    private static let filePiece = 1 << 20

    private var transferTime: TimeAmount { .seconds(Int64(parameters.timeouts.transfer)) }

    /// Sends what is written; false where the conversation ended over it.
    private func flushContent() async -> Bool {
        do throws(ConnectionError) {
            try await peer.flush(deadline: .now() + transferTime)
            return true
        } catch {
            await contentAborted(error)
            return false
        }
    }

    private func contentAborted(_ error: ConnectionError) async {
        switch error {
        case .timedOut: session.timedOut()
        case .unreadable, .unsendable: session.contentFailed()
        case .closed, .unreachable, .handshakeFailed:
            // What the peer said before it closed may still be there.
            var unread: [UInt8] = []
            do throws(ConnectionError) { unread = try await peer.read(deadline: .now() + .seconds(1)) ?? [] } catch { unread = [] }
            session.contentAborted(unread: unread)
        }
        peer.abort()
    }
}
