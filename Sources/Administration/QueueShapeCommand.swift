// qshape: how many recipients (or messages of senders) each domain has in the queue, over the age of the messages.
//
// Known limits: intermediate results (-N) are not shown, because counting is fast; -n limits the table on a terminal as in Postfix.
// A message under delivery is in `incoming` or `deferred` here: where `active` is asked for, the queue manager is asked what is where.

import MailConfiguration
import MailIPC
import MailModel
import MailQueue
import SystemKit

enum QueueShapeCommand {
    private static let usage = """
        [ -s ] [ -p ] [ -m <min_subdomains> ] [ -l ]
        \t[ -b <bucket_count> ] [ -t <bucket_time> ] [ -w <terminal_width> ]
        \t[ -N <batch_msg_count> ] [ -n <batch_top_domains> ]
        \t[ -c <config_directory> ] [ <queue_name> ... ]
        """

    static func run(_ session: ClassicSession) throws(ClassicFailure) -> Int32 {
        let options: ClassicOptions
        do throws(ClassicFailure) {
            options = try ClassicOptions(session, "lhc:psw:b:t:m:n:N:", usage: usage)
        } catch {
            throw ClassicFailure(error.text, status: 255)
        }
        if options.has("h") { throw ClassicFailure("usage: \(session.name) \(usage)", status: 255) }
        if let directory = options.argument(of: "c") { session.directory = directory }
        func number(_ letter: Character, above least: Int) -> Int? {
            options.argument(of: letter).flatMap(Int.init).flatMap { $0 > least ? $0 : nil }
        }
        var shape = QueueShape(
            bucketCount: min(number("b", above: 0) ?? 10, 1000), bucketMinutes: min(number("t", above: 0) ?? 5, 1 << 20),
            isLinear: options.has("l"), countsParents: options.has("p"), minimumSubdomains: number("m", above: 0) ?? 5,
            width: min(number("w", above: 80) ?? 80, 10_000), now: SystemClock.now() / 1_000_000)
        let bySender = options.has("s")
        func add(_ arrival: Int64, _ sender: MailAddress, _ recipients: some Sequence<MailAddress>) {
            let addresses = bySender ? [sender] : Array(recipients)
            for address in addresses { shape.add(address: address, arrival: arrival / 1_000_000) }
        }
        let places = options.operands.isEmpty ? ["incoming", "active"] : options.operands
        var files = places
        if places.contains("active") || places.contains(where: { !$0.hasPrefix("/") }) {
            let main = try session.configuration()
            let root = main[Parameters.queueDirectory]
            if places.contains("active"), let client = try? QueueClient(connecting: main) {
                do throws(IPCError) {
                    try client.list { entry in
                        if places.contains(entry.place.name) { add(entry.arrival, entry.sender, entry.recipients.map(\.address)) }
                    }
                } catch {
                    throw ClassicFailure("the queue manager did not answer: \(error)")
                }
                files.removeAll { ["incoming", "active", "deferred", "hold", "maildrop"].contains($0) }
            }
            // Without a queue manager nothing is active.
            files = files.filter { $0 != "active" }.map { $0.hasPrefix("/") ? $0 : "\(root)/\($0)" }
        }
        for directory in files {
            let names: [String]
            do throws(SystemError) {
                names = try Files.directoryEntries(directory)
            } catch {
                session.say("Can't stat \(directory): \(error.reason)")
                continue
            }
            for name in names where QueueID(name) != nil {
                if let reader = try? QueueFileReader(path: "\(directory)/\(name)") {
                    let left = zip(reader.envelope.recipients, reader.states).filter { $1 == .todo }.map(\.0.address)
                    if !left.isEmpty { add(reader.envelope.arrival, reader.envelope.sender, left) }
                } else if let envelope = submission("\(directory)/\(name)") {
                    add(envelope.arrival, envelope.sender, envelope.recipients.map(\.address))
                }
            }
        }
        let limit = RawDescriptor.isTerminal(1) ? number("n", above: 0) ?? 20 : Int.max
        session.output.write(shape.table(limit: limit))
        return 0
    }

    /// The envelope of a message in `maildrop`.
    private static func submission(_ path: String) -> Envelope? {
        guard let bytes = try? Files.contents(of: path, limit: 1 << 30) else { return nil }
        var decoder = MaildropFileDecoder(maximumContent: .max)
        decoder.append(bytes)
        guard let event = try? decoder.next(), case .envelope(var envelope) = event else { return nil }
        if let status = try? Files.status(of: path) { envelope.arrival = status.modified }
        return envelope
    }
}
