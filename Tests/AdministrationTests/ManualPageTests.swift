import MailConfiguration
import SystemKit
import Testing

@testable import Administration

@Suite struct ManualPageTests {
    /// The page in the source tree is what the declarations say now; `make man` writes it.
    @Test func theCheckedInPageIsUpToDate() throws {
        let top = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let checkedIn = try Files.contents(of: top + "/man/man5/martlet_main.cf.5")
        #expect(String(decoding: checkedIn, as: UTF8.self) == ManualPage.mainConfiguration())
    }

    @Test func everyParameterIsOnThePage() {
        let page = ManualPage.mainConfiguration()
        for declaration in Parameters.all { #expect(page.contains(".It Va \(declaration.name)\n")) }
        #expect(!page.contains("\n\n"), "mdoc has no empty lines")
    }
}
