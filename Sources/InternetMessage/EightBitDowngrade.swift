// The second pass: writes a message in the form that its plan says (see EightBitExamination.swift).
//
// Leaf parts that hold too much are encoded and labelled anew; containers are relabelled; everything else passes byte for byte. A message
// without MIME fields gets them, its charset named unknown-8bit (RFC 1428 section 3).

import MailModel

/// Converts content as it passes.
public struct EightBitDowngrade: Sendable {
    private var walker: MIMEWalker
    private var converter: Converter

    public init(_ plan: DowngradePlan) {
        walker = MIMEWalker(nestingLimit: plan.nestingLimit)
        converter = Converter(plan: plan)
    }

    /// Takes the next bytes of the same content that the plan was made for, and appends what they become.
    public mutating func consume(_ chunk: ArraySlice<UInt8>, into out: inout [UInt8]) {
        walker.consume(chunk, &converter)
        out += converter.output
        converter.output.removeAll(keepingCapacity: true)
    }

    /// The content is over.
    public mutating func finish(into out: inout [UInt8]) {
        walker.finish(&converter)
        out += converter.output
        converter.output = []
    }
}

private struct Converter: MIMEPartHandler {
    private let plan: DowngradePlan
    private var quotedPrintable = QuotedPrintable()
    private var base64 = Base64BodyEncoder()
    var output: [UInt8] = []

    init(plan: DowngradePlan) { self.plan = plan }

    /// A part beyond the plan means that the content is not the one that was examined: it stays as it is.
    private func treatment(_ part: Int) -> DowngradePlan.Treatment { part < plan.treatments.count ? plan.treatments[part] : .keep }

    mutating func field(_ field: HeaderField, part: Int) {
        if treatment(part) != .keep, field.isNamed("content-transfer-encoding") { return }
        output += field.raw
    }

    mutating func headerEnded(part: Int, facts: MIMEHeaderFacts, isRoot: Bool) {
        let treatment = treatment(part)
        if treatment != .keep, isRoot, !facts.hasVersion { put("MIME-Version", "1.0") }
        switch treatment {
        case .keep: break
        case .relabel: put("Content-Transfer-Encoding", plan.target == .sevenBit ? "7bit" : "8bit")
        case .quotedPrintable, .base64:
            if !facts.hasContentType { put("Content-Type", "text/plain; charset=unknown-8bit") }
            put("Content-Transfer-Encoding", treatment == .base64 ? "base64" : "quoted-printable")
        }
        output += MailBytes.crlf
        quotedPrintable = QuotedPrintable()
        base64 = Base64BodyEncoder()
    }

    mutating func body(_ bytes: ArraySlice<UInt8>, part: Int) {
        switch treatment(part) {
        case .keep, .relabel: output += bytes
        case .quotedPrintable: quotedPrintable.encode(bytes, into: &output)
        case .base64: base64.encode(bytes, into: &output)
        }
    }

    mutating func bodyEnded(part: Int) {
        switch treatment(part) {
        case .keep, .relabel: break
        case .quotedPrintable: quotedPrintable.finish(into: &output)
        case .base64: base64.finish(into: &output)
        }
    }

    mutating func framing(_ bytes: ArraySlice<UInt8>) {
        for byte in bytes { output.append(byte == 0 || (byte >= 0x80 && plan.target == .sevenBit) ? UInt8(ascii: "?") : byte) }
    }

    private mutating func put(_ name: String, _ value: String) { output += HeaderField(name: name, value: value).raw }
}
