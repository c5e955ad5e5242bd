// Verbs by name, and how they are counted.

import SMTPProtocol
import Testing

@Suite struct SMTPVerbTests {
    @Test(arguments: SMTPVerb.allCases) func everyVerbIsKnownInAnyCase(verb: SMTPVerb) {
        let name = verb.rawValue
        let mixed = name.enumerated().map { $0 % 2 == 0 ? $1.lowercased() : String($1) }.joined()
        for text in [name, name.lowercased(), mixed] { #expect(SMTPVerb(Array(text.utf8)[...]) == verb, "\(text)") }
    }

    @Test(arguments: [
        "", "MAI", "MAIL1", "MAILX", "XMAIL", "\0MAIL", "\0\0\0\0MAIL", "MAIL\0", "STARTTLSX", "DATA ", "@@@@", "\u{2d}AIL", "H%LO",
        "HELO\u{c0}",
    ]) func noOtherWordIsOne(word: String) {
        #expect(SMTPVerb(Array(word.utf8)[...]) == nil)
    }

    @Test func highOctetsAreNotLetters() {
        for byte in UInt8.min...UInt8.max where byte | 0x20 != UInt8(ascii: "m") {
            #expect(SMTPVerb([byte, 0x41, 0x49, 0x4C]) == nil, "\(byte)")
        }
    }
}
