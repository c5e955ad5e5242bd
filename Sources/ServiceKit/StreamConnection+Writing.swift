// How bytes leave a stream: to the socket directly, past NIO's pipeline, which gets only what the socket does not take at once.
//
// Order: while the channel has leftovers everything goes behind them. Under TLS there is no socket here, and all goes by the pipeline.
// Security: what waits for a peer that does not read is bounded by who writes: `flush` and `send(file:...)` wait, with deadlines.

public import NIOCore
import NIOPosix
import SystemKit

extension StreamConnection {
    enum FileSending: Equatable {
        case underWay
        case sent
        case failed
        /// The file's fault, not the network's.
        case faulty(ConnectionError)
    }

    /// Adds bytes to what the next ``flush(deadline:)`` sends.
    public func write(_ bytes: some Sequence<UInt8>) { output.writeBytes(bytes) }

    public func write(_ buffer: ByteBuffer) {
        if output.readableBytes == 0 {
            output = buffer
        } else {
            output.writeImmutableBuffer(buffer)
        }
    }

    /// Sends what was written and waits until the peer has taken so much that more may be written.
    public func flush(deadline: NIODeadline) async throws(ConnectionError) {
        push()
        if hasLeftovers || socket == nil {
            try await wait(until: deadline) { !self.channel.isWritable && !self.ended && self.channel.isActive }
        }
        if let failure { throw .closed(failure) }
        if !channel.isActive { throw .closed("Connection closed") }
    }

    /// Sends a part of an open file, after what was written, and waits until the kernel has all of it: sendfile(2), without a copy here.
    ///
    /// Not under TLS. The file must have that part, and must not change there: the network may still be sending it when this returns.
    /// When this throws, the connection is closed.
    ///
    /// - Parameter patience: within which a good piece (``leastProgress``) must go, again and again.
    public func send(file: Int32, from offset: Int, count: Int, patience: TimeAmount) async throws(ConnectionError) {
        let handle: NIOFileHandle
        let own: Int32
        do throws(SystemError) {
            // One of its own, because the caller's may be closed before the last write is given up.
            own = try FileDescriptor.borrowing(file) { file throws(SystemError) in
                guard try file.status().size >= Int64(offset + count) else { throw StreamConnection.tooShort }
                return try file.duplicate().release()
            }
            handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: own)
        } catch {
            abort()
            throw .unreadable(error.reason)
        }
        let sent = channel.eventLoop.makePromise(of: Void.self)
        fileSending = .underWay
        sent.futureResult.whenComplete { [weak self] result in
            // It is open, and nobody else closes it.
            try? handle.close()
            ServiceActor.assumeIsolated { self?.didSendFile(result) }
        }
        push(joined: true)
        channel.writeAndFlush(FileRegion(fileHandle: handle, readerIndex: offset, endIndex: offset + count), promise: sent)
        do throws(ConnectionError) {
            while fileSending == .underWay && !ended {
                let goal = max(unsentBytes - StreamConnection.leastProgress, 0)
                let deadline = NIODeadline.now() + patience
                while fileSending == .underWay && !ended && unsentBytes > goal {
                    do throws(ConnectionError) {
                        try await wait(until: min(deadline, .now() + StreamConnection.lookInterval)) {
                            self.fileSending == .underWay && !self.ended && self.unsentBytes > goal
                        }
                    } catch {
                        guard case .timedOut = error else { throw error }
                        // While it is under way its own descriptor is open. One that has become shorter NIO would try to send again and again.
                        let size = try? FileDescriptor.borrowing(own) { file throws(SystemError) in try file.status().size }
                        if (size ?? 0) < Int64(offset + count) { throw .unreadable(StreamConnection.tooShort.reason) }
                        if deadline <= .now() { throw error }
                    }
                }
            }
            switch fileSending {
            case .sent: return
            case .faulty(let error): throw error
            case .underWay, .failed: throw .closed(failure ?? "Connection closed")
            }
        } catch {
            abort()
            throw error
        }
    }

    /// Octets of a file that must go while somebody waits for them.
    private static let leastProgress = 16_384
    /// How often a file that does not go is looked at.
    private static let lookInterval = TimeAmount.seconds(1)
    /// EIO stands for a file that is shorter than its own header says.
    private static var tooShort: SystemError { SystemError(errno: 5, operation: "send", object: "the file") }

    private var unsentBytes: Int { (try? channel.syncOptions?.getOption(.bufferedWritableBytes)).flatMap { $0 } ?? 0 }

    /// Sends what was written, without waiting.
    ///
    /// - Returns: whether all of it was sent; who wants to wait for that, or to know why it is not, calls ``flush(deadline:)``.
    @discardableResult
    public func flushNow() -> Bool {
        push()
        return (socket == nil ? channel.isWritable : !hasLeftovers) && channel.isActive && failure == nil
    }

    /// Hands what was written to the socket, and to the channel what the socket does not take.
    ///
    /// - Parameter joined: more is sent next, or the end, and may leave together with this.
    func push(joined: Bool = false) {
        guard output.readableBytes > 0 else { return }
        let written = output
        output = ByteBuffer()
        var sent = 0
        // The channel closes its socket on this loop, and says so from then on.
        if let socket, channel.isActive, !hasLeftovers {
            // What is wrong with the socket the channel finds out, and tells.
            sent = written.withUnsafeReadableBytes { Sockets.sendNow($0, over: socket, more: joined) } ?? 0
        }
        if sent < written.readableBytes { leave(written.getSlice(at: written.readerIndex + sent, length: written.readableBytes - sent)) }
    }

    /// Sends both now as far as the kernel takes them, uncopied and past the channel, and the rest through the channel.
    func send(_ first: [UInt8], _ second: [UInt8]) {
        push()
        var sent = 0
        if let socket, channel.isActive, !hasLeftovers { sent = (try? Sockets.sendNow(first, second, over: socket)) ?? 0 }
        guard sent < first.count + second.count else { return }
        var rest = ByteBuffer()
        rest.reserveCapacity(first.count + second.count - sent)
        if sent < first.count { rest.writeBytes(first[sent...]) }
        rest.writeBytes(second[max(0, sent - first.count)...])
        leave(rest)
    }

    /// Leaves bytes to the channel.
    private func leave(_ rest: ByteBuffer?) {
        guard let rest else { return }
        guard !hasLeftovers, socket != nil else { return channel.writeAndFlush(rest, promise: nil) }
        hasLeftovers = true
        let written = channel.eventLoop.makePromise(of: Void.self)
        channel.writeAndFlush(rest, promise: written)
        written.futureResult.whenComplete { _ in ServiceActor.assumeIsolated { self.drained() } }
    }

    private func drained() {
        // More came behind it meanwhile.
        if let more = try? channel.syncOptions?.getOption(.bufferedWritableBytes), more > 0 {
            let written = channel.eventLoop.makePromise(of: Void.self)
            channel.writeAndFlush(ByteBuffer(), promise: written)
            return written.futureResult.whenComplete { _ in ServiceActor.assumeIsolated { self.drained() } }
        }
        hasLeftovers = false
        onDrained?()
    }

    /// Closes after what was written is sent.
    public func close() {
        // Where the peer has sent more than was read the kernel answers the end with a reset, and drops what has not left yet.
        push(joined: received.readableBytes == 0 && !isPaused)
        // Without TLS, which has last words of its own, most have nothing left to wait for.
        if !isTLSActive, (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) == 0 { return abort() }
        let channel = channel
        channel.writeAndFlush(ByteBuffer()).whenComplete { _ in channel.close(promise: nil) }
    }

    /// Closes after what was written is sent, or when the peer has not taken it in time.
    public func close(within time: TimeAmount) {
        close()
        guard channel.isActive else { return }
        let channel = channel
        let timer = channel.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in timer.cancel() }
    }

    /// Closes at once.
    public func abort() { channel.close(promise: nil) }

    private func didSendFile(_ result: Result<Void, any Error>) {
        switch result {
        case .success: fileSending = .sent
        case .failure(let error as IOError):
            switch error.errnoCode {
            // EIO; what a file system says that cannot do this: EINVAL, ENOSYS, EOPNOTSUPP. No stream socket gives any of them.
            case 5: fileSending = .faulty(.unreadable(error.description))
            case 22, 38, 95: fileSending = .faulty(.unsendable(error.description))
            default: fileSending = .failed
            }
        case .failure: fileSending = .failed
        }
        wake()
    }
}
