// The listening sockets of all services. They stay open in master for its whole life, so that no connection is refused while a
// program ends and the next one starts.

import SystemKit

/// One listening socket, closed with its last reference.
private final class Listener {
    let rawValue: Int32
    /// The one that was passed: it is the service manager's, too, and works on when it is closed here.
    private let passed: PassedSocket?

    var isPassed: Bool { passed != nil }

    init(_ passed: PassedSocket) throws(SystemError) {
        try passed.descriptor.setNonBlocking(true)
        self.passed = passed
        rawValue = passed.descriptor.rawValue
    }

    init(_ endpoint: Endpoint) throws(SystemError) {
        let descriptor: FileDescriptor
        switch endpoint {
        case .inet(let address, _): descriptor = try Sockets.listenTCP(address, backlog: 4096)
        case .unix(let path): descriptor = try Sockets.listenUnix(path: path, mode: 0o666, backlog: 1024)
        }
        // Several processes accept from one socket: whoever comes second must not wait inside accept.
        try descriptor.setNonBlocking(true)
        rawValue = descriptor.release()
        passed = nil
    }

    // A passed one closes itself.
    deinit { if passed == nil { _ = FileDescriptor(owning: rawValue) } }
}

/// The listening sockets, by endpoint. Not copyable: a copy would keep open what was closed.
struct ListenerSet: ~Copyable {
    private var open: [Endpoint: Listener] = [:]
    private var passed: [PassedSocket]

    /// - Parameter passed: sockets that are open already.
    init(passed: [PassedSocket] = []) { self.passed = passed }

    /// Closes those of the passed sockets that no service has taken, and names them.
    mutating func closeUnwanted() -> [String] {
        func isWanted(_ socket: PassedSocket) -> Bool {
            open.keys.contains { if case .inet(let address, _) = $0 { socket.serves(address) } else { false } }
        }
        let unwanted = passed.filter { !isWanted($0) }
        // Those that have been wanted stay, although a reload may do without them: nobody else could bind the address for a later one.
        passed = passed.filter(isWanted)
        return unwanted.map { "\($0.label) (\($0.address))" }
    }

    private func make(_ endpoint: Endpoint) throws(SystemError) -> Listener {
        if case .inet(let address, _) = endpoint, let socket = passed.first(where: { $0.serves(address) }) { return try Listener(socket) }
        return try Listener(endpoint)
    }

    /// Binds what is new in `wanted` and closes what is no longer in it. An address implied by "all" that this machine does not have is
    /// left out, unless it leaves a service without any.
    ///
    /// - Throws: the first failure; nothing has changed then.
    mutating func update(_ wanted: [ServiceDefinition]) throws(SystemError) {
        let all = Set(wanted.flatMap(\.endpoints))
        let removed = open.filter { !all.contains($0.key) }
        var next = open.filter { all.contains($0.key) }
        var retry: [Endpoint] = []
        for service in wanted {
            var refusal: SystemError?
            for endpoint in service.endpoints where next[endpoint] == nil {
                do throws(SystemError) {
                    next[endpoint] = try make(endpoint)
                } catch {
                    if case .inet(_, isImplied: true) = endpoint, error.isAddressMissing {
                        refusal = error
                    } else if error.isAddressInUse && !removed.isEmpty {
                        // Perhaps in use by what is removed below: 0.0.0.0:25 gives way to 127.0.0.1:25.
                        retry.append(endpoint)
                    } else {
                        throw error
                    }
                }
            }
            if let refusal, service.endpoints.allSatisfy({ next[$0] == nil && !retry.contains($0) }) { throw refusal }
        }
        if !retry.isEmpty {
            // Children may still hold the old sockets: shutdown makes them deaf everywhere, close alone would not.
            for (endpoint, listener) in removed {
                if case .inet = endpoint, !listener.isPassed { try Sockets.shutDown(listener.rawValue) }
            }
            do throws(SystemError) {
                for endpoint in retry { next[endpoint] = try Listener(endpoint) }
            } catch {
                // Somebody else has the address: what was shut down comes back.
                next = [:]
                for (endpoint, listener) in removed {
                    if case .inet = endpoint, !listener.isPassed { open[endpoint] = try Listener(endpoint) }
                }
                throw error
            }
        }
        for (endpoint, listener) in removed {
            switch endpoint {
            case .unix(let path): try Files.unlink(path)
            // A child that finishes its sessions still holds the socket, and would leave new clients waiting in its queue.
            // One that is shut down already says so, which is as good.
            case .inet: if !listener.isPassed { try? Sockets.shutDown(listener.rawValue) }
            }
        }
        open = next
    }

    /// The descriptors of a service, in the order of its endpoints.
    func descriptors(of service: ServiceDefinition) -> [Int32] {
        var found: [Int32] = []
        // One that was passed may stand for two endpoints.
        for endpoint in service.endpoints {
            if let listener = open[endpoint], !found.contains(listener.rawValue) { found.append(listener.rawValue) }
        }
        return found
    }

    /// Closes those of the network.
    mutating func closeNetwork() {
        open = open.filter { if case .inet = $0.key { false } else { true } }
    }

    /// Closes everything.
    mutating func close() {
        open = [:]
        passed = []
    }
}
