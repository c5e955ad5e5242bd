// The end of a stream's pipeline in NIO: what the channel says, handed to its connection.

import NIOCore
import NIOTLS
import SystemKit

/// The end of the pipeline: hands what arrives to the connection. Runs on the loop.
final class ByteReceiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    let connection: StreamConnection

    init(_ connection: StreamConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        ServiceActor.assumeIsolated { [connection] in connection.didReceive(&buffer) }
    }
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { ServiceActor.assumeIsolated { [connection] in connection.didBecomeWritable() } }
    }
    func channelInactive(context: ChannelHandlerContext) { ServiceActor.assumeIsolated { [connection] in connection.didEnd(nil) } }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            ServiceActor.assumeIsolated { [connection] in connection.didEnd(nil) }
        } else if let event = event as? TLSUserEvent, case .handshakeCompleted = event {
            ServiceActor.assumeIsolated { [connection] in connection.didHandshake() }
        }
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let reason: String
        if let error = error as? IOError {
            reason = SystemError(errno: error.errnoCode, operation: "read", object: "").reason
        } else {
            reason = "\(error)"
        }
        ServiceActor.assumeIsolated { [connection] in connection.didEnd(reason) }
        context.close(promise: nil)
    }
}
