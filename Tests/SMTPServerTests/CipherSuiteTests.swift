import Testing

@testable import TLS

@Suite struct CipherSuiteTests {
    /// A ServerHello in its record: version, 32 octets of random, a session id of `sessionID` octets, the suite.
    private func serverHello(_ sessionID: Int, _ suite: [UInt8]) -> [UInt8] {
        [22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3] + [UInt8](repeating: 7, count: 32) + [UInt8(sessionID)]
            + [UInt8](repeating: 9, count: sessionID) + suite + [0, 0, 0]
    }

    @Test func readsTheSuite() {
        let modern = CipherSuite(serverFlight: serverHello(32, [0x13, 0x02]))
        #expect(modern?.nameAndBits.name == "TLS_AES_256_GCM_SHA384" && modern?.nameAndBits.bits == 256)
        #expect(CipherSuite(serverFlight: serverHello(0, [0xC0, 0x2F]))?.nameAndBits.name == "ECDHE-RSA-AES128-GCM-SHA256")
        #expect(CipherSuite(serverFlight: serverHello(0, [0xAB, 0xCD]))?.nameAndBits.name == "0xABCD")
    }

    @Test func anythingElseIsNone() {
        let whole = serverHello(32, [0x13, 0x01])
        for length in 0..<(CipherSuite.bytesNeeded) { #expect(CipherSuite(serverFlight: whole.prefix(length)) == nil) }
        #expect(CipherSuite(serverFlight: whole.prefix(CipherSuite.bytesNeeded))?.identifier == 0x1301)
        #expect(CipherSuite(serverFlight: serverHello(33, [0x13, 0x01])) == nil)
        var alert = whole
        alert[0] = 21
        #expect(CipherSuite(serverFlight: alert) == nil)
    }

    @Test func theLogLine() {
        let facts = TLSSessionFacts(protocolVersion: "TLSv1.2", cipher: "X", cipherBits: 128, peerStatus: .untrusted)
        #expect(
            facts.logLine("to mx[192.0.2.1]:25")
                == "Untrusted TLS connection established to mx[192.0.2.1]:25: TLSv1.2 with cipher X (128/128 bits)")
        #expect(facts.receivedComment == "using TLSv1.2 with cipher X (128/128 bits)")
    }
}
