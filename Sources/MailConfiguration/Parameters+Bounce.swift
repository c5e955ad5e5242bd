// Parameters: bounce and notices.
//
// Names, defaults and meaning are Postfix's where Postfix has the parameter.

extension Parameters {
    public static let notifyClasses = Parameter.list(
        "notify_classes", "resource, software", programs: "bounce smtpd cleanup smtp",
        "What the postmaster is told of: bounce, 2bounce, data, delay, policy, protocol, resource, software.")
    public static let bounceNoticeRecipient = Parameter.string(
        "bounce_notice_recipient", "postmaster", required: true, programs: "bounce",
        "Who receives copies of bounces where notify_classes has bounce.")
    public static let doubleBounceNoticeRecipient = Parameter.string(
        "2bounce_notice_recipient", "postmaster", required: true, programs: "bounce",
        "Who receives bounces that cannot be returned to the sender.")
    public static let delayNoticeRecipient = Parameter.string(
        "delay_notice_recipient", "postmaster", required: true, programs: "bounce",
        "Who receives copies of delay notices where notify_classes has delay.")
    public static let errorNoticeRecipient = Parameter.string(
        "error_notice_recipient", "postmaster", required: true, programs: "bounce smtpd smtp cleanup",
        "Who receives notices of other trouble.")
    public static let bounceSizeLimit = Parameter.integer(
        "bounce_size_limit", "50000", in: 1...2_147_483_647, unit: "bytes", programs: "bounce",
        "How much of a message is returned in a bounce; a larger one is returned as its header only.")
    public static let bounceTemplateFile = Parameter.string(
        "bounce_template_file", "", programs: "bounce", "A file with the words of notifications, in the format of Postfix's bounce(5).",
        discussion: "failure_template, delay_template and success_template; each is NAME = <<EOF, header lines Charset, From, Subject and "
            + "Postmaster-Subject, an empty line, text, EOF. $name stands for a parameter, $name_hours and its like for a time. A file that "
            + "cannot be used is a warning, and the built-in words are used.")
    public static let backwardsBounceLogfileCompatibility = Parameter.flag(
        "backwards_bounce_logfile_compatibility", true, programs: "bounce", "Accepted for Postfix configurations; it has no effect.")

    static let bounceGroup: [ParameterDeclaration] = [
        notifyClasses.declaration, bounceNoticeRecipient.declaration, doubleBounceNoticeRecipient.declaration,
        delayNoticeRecipient.declaration, errorNoticeRecipient.declaration, bounceSizeLimit.declaration, bounceTemplateFile.declaration,
        backwardsBounceLogfileCompatibility.declaration,
    ]
}
