// The version of Martlet: here and nowhere else. The Debian package and CHANGELOG.md are checked against it when the package is built.

/// Which Martlet this is.
public enum MartletVersion {
    /// `MAJOR.MINOR` or `MAJOR.MINOR.PATCH`; the default of the parameter `mail_version`.
    public static let current = "0.1"
}
