// Payloads that do not travel over the socket: the client puts them into memory that it has together with the server, and sends where they are.
//
// The kernel would copy them twice, and find memory for them in between: with that a message of 1 MB costs smtpd and cleanup a quarter more.
// Security: the client can change what is there at any time. So the server copies first, and looks at its copy; what the client says of the
// window is checked against its bounds.
// Known limits: from client to server only. What comes while all slots are taken goes over the socket.

import MailIPC
import MailModel
import SystemKit

/// One end of a window.
struct IPCWindow {
    private let memory: SharedWindow

    init(_ memory: SharedWindow) { self.memory = memory }

    /// Client: a frame that says where the payload of another one is; nil where there is no room for it.
    func put(_ frame: IPCFrame) -> IPCFrame? {
        guard frame.payload.count <= SharedWindow.slotSize, let slot = memory.put(frame.payload) else { return nil }
        let place = WindowFrame(type: frame.type, slot: UInt8(slot), count: UInt32(frame.payload.count))
        return IPCFrame(stream: frame.stream, type: MultiplexerFrame.inWindow, payload: place.encoded)
    }

    /// Server: the frame whose payload is in the window, copied.
    static func take(_ frame: IPCFrame, from window: IPCWindow?) throws -> IPCFrame {
        let place = try WindowFrame(decoding: frame.payload[...])
        guard let window, place.type >= MultiplexerFrame.firstProtocolType,
            let payload = window.memory.take(Int(place.slot), count: Int(place.count))
        else { throw IPCError.violation("frame \(place.type) in slot \(place.slot) of \(window == nil ? "no window" : "the window")") }
        return IPCFrame(stream: frame.stream, type: place.type, payload: payload)
    }
}
