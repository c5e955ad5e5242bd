// Whose rights a delivery has: the recipient's, or those of `default_privs`. The agent becomes that user for the delivery and itself again
// afterwards; only root can, and in a private instance of an ordinary user everything is done with that user's rights.
//
// Security: one change of identity at a time, in a single-threaded process. If the way back failed nothing could be done safely any more,
// so the process ends and master starts another.

import SystemKit

/// A user that deliveries are made as.
struct DeliveryIdentity: Hashable, Sendable {
    var name: String
    var user: UInt32
    var group: UInt32
    var supplementary: [UInt32]
    var home: String
    var shell: String

    init(_ record: UserRecord, supplementary: [UInt32]) {
        name = record.name
        user = record.uid
        group = record.gid
        self.supplementary = supplementary
        home = record.home
        shell = record.shell
    }

    /// The user with the groups of the user database.
    static func of(_ record: UserRecord) -> DeliveryIdentity {
        // An ordinary user's instance changes no groups, and needs not ask for them.
        let groups = Privileges.isRoot ? UserDatabase.groups(ofUser: record.name, primary: record.gid) : []
        return DeliveryIdentity(record, supplementary: groups)
    }

    /// Root's own identity, which does not change; nil in an ordinary user's instance.
    private static let root: Privileges.Identity? = {
        guard Privileges.isRoot else { return nil }
        do {
            return try Privileges.Identity.current()
        } catch {
            fatalError("cannot tell the identity of this process: \(error)")
        }
    }()

    /// Does `work` with this user's rights.
    func perform<Result>(_ work: () throws(SystemError) -> Result) throws(SystemError) -> Result {
        guard let root = DeliveryIdentity.root, user != 0 else { return try work() }
        try Privileges.assume(Privileges.Identity(user: user, group: group, supplementary: supplementary), insteadOf: root)
        let result: Swift.Result<Result, SystemError>
        do throws(SystemError) {
            result = .success(try work())
        } catch {
            result = .failure(error)
        }
        do throws(SystemError) {
            try Privileges.restore(root)
        } catch {
            fatalError("cannot become root again after a delivery: \(error)")
        }
        return try result.get()
    }
}
