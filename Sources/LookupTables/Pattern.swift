// One compiled pattern. Both regexp and pcre tables are matched by PCRE2: regexp tables get the same engine with the flags of
// regexp_table(5), because POSIX regexec offers no limit on its work.
//
// Security: keys are peer data. Every match is bounded in steps, depth and memory; a match that exceeds them is a failed lookup,
// never "no".

import CPCRE2
import Synchronization

/// The flags and defaults of a table type.
enum PatternSyntax: Sendable {
    case regexp, pcre

    /// Options before flags are applied: both ignore case by default; in pcre tables a dot matches a newline too.
    var defaults: UInt32 {
        switch self {
        // As regcomp(3) has it: a dot matches a line break, which is inside a header field of several lines.
        case .regexp: PCRE2_CASELESS | PCRE2_DOLLAR_ENDONLY | PCRE2_DOTALL
        case .pcre: PCRE2_CASELESS | PCRE2_DOTALL
        }
    }

    /// The option that a flag letter toggles, or nil for an unknown letter. `x` of regexp tables chooses extended syntax, which is the
    /// only one here.
    func option(_ flag: UInt8) -> UInt32? {
        switch (self, flag) {
        case (_, UInt8(ascii: "i")): PCRE2_CASELESS
        // REG_NEWLINE is both.
        case (.regexp, UInt8(ascii: "m")): PCRE2_MULTILINE | PCRE2_DOTALL
        case (.pcre, UInt8(ascii: "m")): PCRE2_MULTILINE
        case (.pcre, UInt8(ascii: "s")): PCRE2_DOTALL
        case (.pcre, UInt8(ascii: "x")): PCRE2_EXTENDED
        case (.pcre, UInt8(ascii: "A")): PCRE2_ANCHORED
        case (.pcre, UInt8(ascii: "E")): PCRE2_DOLLAR_ENDONLY
        case (.pcre, UInt8(ascii: "U")): PCRE2_UNGREEDY
        default: nil
        }
    }
}

/// Why a pattern does not compile or a match was given up.
struct PatternError: Error, Hashable, Sendable {
    let text: String
}

/// The compiled form; freed with its owner.
private struct CompiledPattern: ~Copyable {
    let code: OpaquePointer
    let matchData: OpaquePointer
    let context: OpaquePointer

    deinit {
        pcre2_match_context_free_8(context)
        pcre2_match_data_free_8(matchData)
        pcre2_code_free_8(code)
    }
}

/// A compiled pattern that may be used from any thread.
final class Pattern: Sendable {
    /// How many steps a match may take; about a tenth of a second.
    static let matchLimit: UInt32 = 1_000_000
    static let depthLimit: UInt32 = 10_000
    /// In units of 1024 bytes.
    static let heapLimit: UInt32 = 8_192
    /// How long a pattern may be, in bytes.
    static let maximumLength = 65_536

    /// How many groups `$1 ... $n` the pattern has.
    let groupCount: Int
    private let compiled: Mutex<CompiledPattern>

    init(_ pattern: some Collection<UInt8>, options: UInt32) throws(PatternError) {
        let bytes = Array(pattern)
        guard bytes.count <= Self.maximumLength else { throw PatternError(text: "the pattern is too long") }
        var errorCode: Int32 = 0
        var errorOffset = 0
        let code = bytes.withUnsafeBufferPointer { pcre2_compile_8($0.baseAddress, $0.count, options, &errorCode, &errorOffset, nil) }
        guard let code else {
            throw PatternError(text: "the pattern is wrong at its byte \(errorOffset + 1): \(Self.text(ofError: errorCode))")
        }
        var count: UInt32 = 0
        _ = withUnsafeMutablePointer(to: &count) { pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_CAPTURECOUNT), $0) }
        guard let matchData = pcre2_match_data_create_from_pattern_8(code, nil), let context = pcre2_match_context_create_8(nil) else {
            pcre2_code_free_8(code)
            throw PatternError(text: "no memory for the pattern")
        }
        pcre2_set_match_limit_8(context, Self.matchLimit)
        pcre2_set_depth_limit_8(context, Self.depthLimit)
        pcre2_set_heap_limit_8(context, Self.heapLimit)
        groupCount = Int(count)
        compiled = Mutex(CompiledPattern(code: code, matchData: matchData, context: context))
    }

    /// The matched groups (group 0 is the whole match; a group that took no part is empty), or nil where the pattern does not match.
    func match(_ subject: [UInt8]) throws(PatternError) -> [[UInt8]]? {
        let result: Result<[[UInt8]]?, PatternError> = compiled.withLock { compiled in
            let status = subject.withUnsafeBufferPointer {
                pcre2_match_8(compiled.code, $0.baseAddress, $0.count, 0, 0, compiled.matchData, compiled.context)
            }
            if status == PCRE2_ERROR_NOMATCH { return .success(nil) }
            if status < 0 { return .failure(PatternError(text: "the match was given up: \(Self.text(ofError: status))")) }
            let count = Int(pcre2_get_ovector_count_8(compiled.matchData))
            guard let offsets = pcre2_get_ovector_pointer_8(compiled.matchData) else { return .success([]) }
            var groups: [[UInt8]] = []
            for index in 0..<count {
                let start = offsets[index * 2]
                let end = offsets[index * 2 + 1]
                // An unset group has both offsets PCRE2_UNSET, the largest size_t, which is -1 here; \K may put the start after the end.
                groups.append(0 <= start && start <= end && end <= subject.count ? Array(subject[start..<end]) : [])
            }
            return .success(groups)
        }
        return try result.get()
    }

    private static func text(ofError code: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let length = buffer.withUnsafeMutableBufferPointer { pcre2_get_error_message_8(code, $0.baseAddress, $0.count) }
        return length > 0 ? String(decoding: buffer.prefix(Int(length)), as: UTF8.self) : "error \(code)"
    }
}
