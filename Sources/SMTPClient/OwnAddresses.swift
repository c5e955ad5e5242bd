// The addresses at which this mail system itself is reached: mail for a host among them would loop.

import MailConfiguration
import NIOCore
import SystemKit

enum OwnAddresses {
    /// From `inet_interfaces` and `proxy_interfaces`. Names are looked up with the system's resolver, so this is for start-up only; a name
    /// that cannot be found is left out: it only makes a loop noticed later, by its name in EHLO or by its hop count.
    static func find(_ configuration: Configuration) -> Set<String> {
        var out: Set<String> = []
        for name in configuration[Parameters.inetInterfaces] + configuration[Parameters.proxyInterfaces] {
            switch name.lowercased() {
            case "all":
                // Without a list of the devices there is nothing to compare with.
                let devices = (try? System.enumerateDevices()) ?? []
                for device in devices { if let address = device.address?.ipAddress { out.insert(address) } }
            case "loopback-only", "localhost":
                out.formUnion(["127.0.0.1", "::1"])
            default:
                let bare = name.hasPrefix("[") && name.hasSuffix("]") ? String(name.dropFirst().dropLast()) : name
                // See above.
                let found = (try? SystemKit.SocketAddress.resolve(host: bare, port: "25")) ?? []
                out.formUnion(found.map(\.host))
            }
        }
        return out
    }
}
