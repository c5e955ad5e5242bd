// Finds out whether a message can be sent to a host that takes less than it has - 7 bits only, or no binary - and what must be done.
//
// RFC 6152 section 3: such a message is converted or returned, never sent as it is. The first pass over the content makes the plan, the
// second (EightBitDowngrade) carries it out, so that nothing has to be kept in memory and a part is encoded for what it really holds, not
// for what its label claims.

import MailModel

/// What is done with each part of a message, by number of the part.
public struct DowngradePlan: Sendable, Hashable {
    enum Treatment: UInt8, Sendable {
        case keep
        /// The body fits already; the label says more than is needed.
        case relabel
        case quotedPrintable
        case base64
    }

    var treatments: [Treatment]
    var target: EightBitExamination.Target
    var nestingLimit: Int

    /// Some header has 8-bit bytes. They stay: only SMTPUTF8 makes them right (RFC 6531 section 3), and the sender decides.
    public internal(set) var keepsEightBitHeaders = false
}

/// The first pass: looks at the content and makes a plan.
public struct EightBitExamination: Sendable {
    /// What the next host takes.
    public enum Target: UInt8, Sendable, Hashable {
        /// No 8BITMIME.
        case sevenBit
        /// 8BITMIME, but no BINARYMIME.
        case eightBit
    }

    /// What the examination says.
    public enum Verdict: Sendable, Hashable {
        /// The content can go as it is.
        case unneeded
        case convertible(DowngradePlan)
        case impossible(Obstacle)
    }

    /// Why a message cannot be converted.
    public enum Obstacle: Sendable, Hashable, CustomStringConvertible {
        case nestingTooDeep
        /// A multipart without a usable boundary.
        case unreadableMultipart
        /// message/partial or message/external-body (RFC 2046 section 5.2.2).
        case unconvertibleMessage
        /// A part that claims to be encoded, and is not.
        case mislabelledPart

        public var description: String {
            switch self {
            case .nestingTooDeep: "MIME nesting exceeds safety limit"
            case .unreadableMultipart: "improper use of 8-bit data in multipart body without boundary"
            case .unconvertibleMessage: "improper use of 8-bit data in message body"
            case .mislabelledPart: "8-bit data not allowed in body part that is labelled as encoded"
            }
        }
    }

    private var walker: MIMEWalker
    private var examiner: Examiner
    private let nestingLimit: Int

    /// - Parameters:
    ///   - target: what the next host takes.
    ///   - nestingLimit: levels of MIME (`mime_nesting_limit`).
    ///   - convertsLongLines: also encode leaf parts with lines over 998 octets.
    public init(target: Target, nestingLimit: Int = 100, convertsLongLines: Bool = false) {
        self.nestingLimit = max(1, nestingLimit)
        walker = MIMEWalker(nestingLimit: max(1, nestingLimit))
        examiner = Examiner(target: target, convertsLongLines: convertsLongLines)
    }

    /// Takes the next bytes of the content.
    public mutating func consume(_ chunk: ArraySlice<UInt8>) { walker.consume(chunk, &examiner) }

    /// The content is over.
    public mutating func finish() -> Verdict {
        walker.finish(&examiner)
        guard examiner.isNeeded else { return .unneeded }
        if let obstacle = examiner.obstacle { return .impossible(obstacle) }
        if walker.isTooDeep { return .impossible(.nestingTooDeep) }
        var plan = DowngradePlan(treatments: examiner.treatments, target: examiner.target, nestingLimit: nestingLimit)
        plan.keepsEightBitHeaders = examiner.hasEightBitHeader
        return .convertible(plan)
    }
}

/// Collects the facts of each part.
private struct Examiner: MIMEPartHandler {
    let target: EightBitExamination.Target
    let convertsLongLines: Bool
    var treatments: [DowngradePlan.Treatment] = []
    var isNeeded = false
    var obstacle: EightBitExamination.Obstacle?
    var hasEightBitHeader = false
    private var facts = MIMEHeaderFacts()
    private var inspector = ContentInspector(inBody: true)

    init(target: EightBitExamination.Target, convertsLongLines: Bool) {
        self.target = target
        self.convertsLongLines = convertsLongLines
    }

    mutating func field(_ field: HeaderField, part: Int) {
        if !hasEightBitHeader, field.raw.contains(where: { $0 >= 0x80 }) { hasEightBitHeader = true }
    }

    mutating func headerEnded(part: Int, facts: MIMEHeaderFacts, isRoot: Bool) {
        self.facts = facts
        inspector = ContentInspector(inBody: true)
        while treatments.count <= part { treatments.append(.keep) }
        let overstates = facts.encoding == .binary || (facts.encoding == .eightBit && target == .sevenBit)
        if overstates { treatments[part] = .relabel }
    }

    mutating func body(_ bytes: ArraySlice<UInt8>, part: Int) { inspector.inspect(bytes) }

    mutating func bodyEnded(part: Int) {
        let content = inspector.result
        let isBinary = content.contains(.binary)
        let isEightBit = content.contains(.eightBitBody) && target == .sevenBit
        let isLong = content.contains(.longLines) && convertsLongLines
        guard isBinary || isEightBit || isLong else { return }
        isNeeded = true
        switch facts.structure {
        case .unreadableMultipart: obstacle = obstacle ?? .unreadableMultipart
        case .unconvertibleMessage: obstacle = obstacle ?? .unconvertibleMessage
        case .leaf, .multipart, .message:
            guard facts.encoding.isIdentity else {
                obstacle = obstacle ?? .mislabelledPart
                return
            }
            treatments[part] = isBinary ? .base64 : .quotedPrintable
        }
    }

    mutating func framing(_ bytes: ArraySlice<UInt8>) {
        // Preamble and epilogue are for no reader (RFC 2046 section 5.1.1); what does not fit there is replaced.
        if bytes.contains(where: { ($0 >= 0x80 && target == .sevenBit) || $0 == 0 }) { isNeeded = true }
    }
}
