// swift-tools-version: 6.2
// The rooms of the house and the arrows between them (ARCHITECTURE.md, "The rooms"). Dependencies point down only;
// Tests/ArchitectureTests holds this manifest against the imports that the code really makes.

import PackageDescription

let strictSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]
let nioTLS: [Target.Dependency] =
    nio + [
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
    ]

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strictSettings)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strictSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: strictSettings)
}

/// What every program library may use besides the rooms it names itself.
let daemonRooms: [Target.Dependency] = [
    "SystemKit", "MailModel", "MailIPC", "MailConfiguration", "MailLog", "ServiceKit",
]

let package = Package(
    name: "martlet",
    products: [],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // C
        .target(name: "CSystemKit"),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .systemLibrary(name: "CUnbound", pkgConfig: "libunbound", providers: [.apt(["libunbound-dev"])]),
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CCDB", pkgConfig: "libcdb", providers: [.apt(["libcdb-dev"])]),
        .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),

        // system
        room("SystemKit", ["CSystemKit"]),

        // pure mail: no I/O, no clock, no Glibc
        room("MailModel"),
        room("InternetMessage", ["MailModel"]),
        room("SMTPProtocol", ["MailModel"]),
        room("DeliveryStatus", ["MailModel", "InternetMessage"]),
        room(
            "Scheduling",
            [
                "MailModel", .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "OrderedCollections", package: "swift-collections"),
            ]),

        // services
        room("MailLog", ["SystemKit", "MailConfiguration"]),
        room("MailConfiguration", ["SystemKit", "MailModel"]),
        room("LookupTables", ["SystemKit", "MailModel", "MailConfiguration", "CLMDB", "CCDB", "CPCRE2"]),
        room("AddressRouting", ["SystemKit", "MailModel", "MailConfiguration", "LookupTables"]),
        room("MailQueue", ["SystemKit", "MailModel", "InternetMessage", "MailIPC"]),
        room("MailIPC", ["SystemKit", "MailModel"]),
        room("DNSClient", ["MailModel", "MailIPC"]),
        room("TLS", ["SystemKit", "MailModel", "MailConfiguration"] + nioTLS),

        // the skeleton of a daemon
        room(
            "ServiceKit",
            [
                "SystemKit", "MailModel", "MailIPC", "MailConfiguration", "MailLog", "CSeccomp",
                .product(name: "NIOTLS", package: "swift-nio"),
            ] + nio),

        // programs, one library each
        room("Master", ["SystemKit", "MailModel", "MailConfiguration", "MailLog", "MailQueue", "MailIPC"]),
        room(
            "SMTPServer", daemonRooms + ["InternetMessage", "SMTPProtocol", "LookupTables", "AddressRouting", "DNSClient", "TLS"] + nioTLS),
        room("Cleanup", daemonRooms + ["InternetMessage", "MailQueue", "LookupTables", "AddressRouting"] + nio),
        room("QueueManager", daemonRooms + ["MailQueue", "Scheduling", "LookupTables", "AddressRouting", "DeliveryStatus"] + nio),
        room(
            "SMTPClient",
            daemonRooms + ["InternetMessage", "SMTPProtocol", "MailQueue", "LookupTables", "DNSClient", "TLS", "DeliveryStatus"] + nioTLS),
        room("LocalDelivery", daemonRooms + ["InternetMessage", "MailQueue", "LookupTables", "AddressRouting", "DeliveryStatus"]),
        room("Bounce", daemonRooms + ["InternetMessage", "MailQueue", "DeliveryStatus"] + nio),
        room("Pickup", daemonRooms + ["MailQueue", "InternetMessage"] + nio),
        room("Resolver", daemonRooms + ["DNSClient", "CUnbound"] + nio),
        room(
            "Submission",
            ["SystemKit", "MailModel", "InternetMessage", "MailConfiguration", "MailLog", "MailQueue", "MailIPC", "SMTPProtocol"]),
        room(
            "Administration",
            [
                "SystemKit", "MailModel", "InternetMessage", "MailConfiguration", "MailLog", "MailQueue", "MailIPC", "LookupTables",
                "AddressRouting",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // executables: a main that fits on one screen
        program("master", ["Master"]),
        program("smtpd", ["SMTPServer"]),
        program("cleanup", ["Cleanup"]),
        program("qmgr", ["QueueManager"]),
        program("smtp", ["SMTPClient"]),
        program("local", ["LocalDelivery"]),
        program("bounce", ["Bounce"]),
        program("pickup", ["Pickup"]),
        program("resolver", ["Resolver"]),
        program("sendmail", ["Submission"]),
        program("postdrop", ["Submission"]),
        program("postqueue", ["Submission"]),
        program("martlet", ["Administration"]),

        // the same daemons in one file, for packages: one copy of the code on disk and in memory (ARCHITECTURE.md, "The package")
        program(
            "suite",
            [
                "Master", "SMTPServer", "Cleanup", "QueueManager", "SMTPClient", "LocalDelivery", "Bounce", "Pickup", "Resolver",
                "ServiceKit",
            ]),

        // tests
        tests("ArchitectureTests", ["SystemKit"]),
        tests("SystemKitTests", ["SystemKit"]),
        tests("MailModelTests", ["MailModel"]),
        tests("InternetMessageTests", ["InternetMessage", "MailModel"]),
        tests("SMTPProtocolTests", ["SMTPProtocol", "MailModel"], resources: [.copy("Vectors")]),
        tests("DeliveryStatusTests", ["DeliveryStatus", "MailModel"]),
        tests("SchedulingTests", ["Scheduling", "MailModel"]),
        tests("MailConfigurationTests", ["MailConfiguration", "SystemKit"]),
        tests("LookupTablesTests", ["LookupTables", "MailConfiguration", "SystemKit"]),
        tests("AddressRoutingTests", ["AddressRouting", "LookupTables", "MailConfiguration", "MailModel"]),
        tests(
            "MailQueueTests", ["MailQueue", "MailIPC", "MailModel", "SystemKit"],
            resources: [.copy("Samples")]),
        tests("MailIPCTests", ["MailIPC", "MailModel"]),
        tests("MailLogTests", ["MailLog", "MailConfiguration", "SystemKit"]),
        tests("DNSClientTests", ["DNSClient", "MailIPC", "MailModel"]),
        tests("ResolverTests", ["Resolver", "DNSClient", "MailConfiguration"]),
        tests(
            "SMTPServerTests",
            [
                "SMTPServer", "SMTPProtocol", "MailModel", "MailIPC", "MailConfiguration", "MailLog", "LookupTables", "ServiceKit",
                "SystemKit", "TLS",
            ]
                + nio),
        tests(
            "SMTPClientTests",
            ["SMTPClient", "SMTPProtocol", "MailModel", "MailIPC", "MailConfiguration", "DNSClient", "ServiceKit", "SystemKit", "TLS"] + nio
        ),
        tests(
            "CleanupTests",
            [
                "Cleanup", "AddressRouting", "InternetMessage", "MailConfiguration", "MailIPC", "MailLog", "MailModel", "MailQueue",
                "ServiceKit", "SystemKit",
            ] + nio),
        tests(
            "BounceTests",
            ["Bounce", "DeliveryStatus", "MailConfiguration", "MailIPC", "MailLog", "MailModel", "MailQueue", "ServiceKit", "SystemKit"]),
        tests("LocalDeliveryTests", ["LocalDelivery", "AddressRouting", "LookupTables", "MailIPC", "MailModel", "SystemKit"]),
        tests(
            "QueueManagerTests",
            ["QueueManager", "MailModel", "MailQueue", "MailIPC", "Scheduling", "AddressRouting", "ServiceKit", "SystemKit"] + nio),
        tests("MasterTests", ["Master", "MailConfiguration", "MailIPC", "MailLog", "MailModel", "MailQueue", "SystemKit"]),
        tests("ServiceKitTests", ["ServiceKit", "MailIPC", "MailModel", "SystemKit"] + nio),
        tests(
            "PickupTests", ["Pickup", "InternetMessage", "ServiceKit", "MailIPC", "MailLog", "MailModel", "MailQueue", "SystemKit"] + nio),
        tests("SubmissionTests", ["Submission", "MailIPC", "MailModel", "SystemKit"]),
        tests(
            "AdministrationTests",
            [
                "Administration", "LookupTables", "MailModel", "MailConfiguration", "MailIPC", "MailQueue", "SystemKit",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
    ]
)
