import Testing

@testable import Administration

@Suite struct MainFileEditorTests {
    private let text = """
        # comment
        relayhost = a
        mydestination = one,
          # within
          two
        \tthree
        myhostname=x
        relayhost = b

        # end
        """

    private func edited(_ name: String, _ value: String?) -> String {
        String(decoding: MainFileEditor.edit(Array((text + "\n").utf8), name: name, value: value), as: UTF8.self)
    }

    @Test func replacesALogicalLineAndKeepsComments() {
        #expect(
            edited("mydestination", "four")
                == "# comment\nrelayhost = a\nmydestination = four\n  # within\nmyhostname=x\nrelayhost = b\n\n# end\n")
    }

    @Test func leavesOneOfSeveral() {
        let result = edited("relayhost", "[c]:25")
        #expect(result.hasPrefix("# comment\nrelayhost = [c]:25\nmydestination = one,"))
        #expect(!result.contains("relayhost = b"))
    }

    @Test func appendsWhatIsNew() {
        #expect(edited("mydomain", "example.org") == text + "\nmydomain = example.org\n")
        #expect(String(decoding: MainFileEditor.edit([], name: "a", value: "b"), as: UTF8.self) == "a = b\n")
    }

    @Test func commentsOutEveryAssignmentWithItsContinuations() {
        func commented(_ name: String) -> String {
            String(decoding: MainFileEditor.commentOut(Array((text + "\n").utf8), name: name), as: UTF8.self)
        }
        #expect(
            commented("mydestination")
                == "# comment\nrelayhost = a\n#mydestination = one,\n  # within\n#  two\n#\tthree\nmyhostname=x\nrelayhost = b\n\n# end\n")
        #expect(commented("relayhost").hasPrefix("# comment\n#relayhost = a\n"))
        #expect(commented("relayhost").contains("\n#relayhost = b\n"))
        #expect(commented("absent") == text + "\n")
    }

    @Test func removes() {
        #expect(!edited("myhostname", nil).contains("myhostname"))
        #expect(edited("absent", nil) == text + "\n")
    }
}
