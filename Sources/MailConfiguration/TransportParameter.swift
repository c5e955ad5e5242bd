// Parameters that exist once for each transport of master.cf: `<transport>_destination_concurrency_limit` and its like.

/// A limit that each transport may have for itself, with a default for all.
public enum TransportParameter: String, CaseIterable, Hashable, Sendable {
    case destinationConcurrencyLimit = "_destination_concurrency_limit"
    case destinationRecipientLimit = "_destination_recipient_limit"
    case initialDestinationConcurrency = "_initial_destination_concurrency"
    case destinationConcurrencyFailedCohortLimit = "_destination_concurrency_failed_cohort_limit"
    case destinationRateDelay = "_destination_rate_delay"
    case transportRateDelay = "_transport_rate_delay"
    case recipientLimit = "_recipient_limit"
    case destinationConcurrencyPositiveFeedback = "_destination_concurrency_positive_feedback"
    case destinationConcurrencyNegativeFeedback = "_destination_concurrency_negative_feedback"
    case deliverySlotCost = "_delivery_slot_cost"
    case deliverySlotLoan = "_delivery_slot_loan"
    case deliverySlotDiscount = "_delivery_slot_discount"
    case minimumDeliverySlots = "_minimum_delivery_slots"
    case extraRecipientLimit = "_extra_recipient_limit"
    case recipientRefillLimit = "_recipient_refill_limit"
    case recipientRefillDelay = "_recipient_refill_delay"

    /// The parameter that holds where the transport has none of its own.
    public var fallback: ParameterDeclaration {
        switch self {
        case .destinationConcurrencyLimit: Parameters.defaultDestinationConcurrencyLimit.declaration
        case .destinationRecipientLimit: Parameters.defaultDestinationRecipientLimit.declaration
        case .initialDestinationConcurrency: Parameters.initialDestinationConcurrency.declaration
        case .destinationConcurrencyFailedCohortLimit: Parameters.defaultDestinationConcurrencyFailedCohortLimit.declaration
        case .destinationRateDelay: Parameters.defaultDestinationRateDelay.declaration
        case .transportRateDelay: Parameters.defaultTransportRateDelay.declaration
        case .recipientLimit: Parameters.defaultRecipientLimit.declaration
        case .destinationConcurrencyPositiveFeedback: Parameters.defaultDestinationConcurrencyPositiveFeedback.declaration
        case .destinationConcurrencyNegativeFeedback: Parameters.defaultDestinationConcurrencyNegativeFeedback.declaration
        case .deliverySlotCost: Parameters.defaultDeliverySlotCost.declaration
        case .deliverySlotLoan: Parameters.defaultDeliverySlotLoan.declaration
        case .deliverySlotDiscount: Parameters.defaultDeliverySlotDiscount.declaration
        case .minimumDeliverySlots: Parameters.defaultMinimumDeliverySlots.declaration
        case .extraRecipientLimit: Parameters.defaultExtraRecipientLimit.declaration
        case .recipientRefillLimit: Parameters.defaultRecipientRefillLimit.declaration
        case .recipientRefillDelay: Parameters.defaultRecipientRefillDelay.declaration
        }
    }

    /// The declaration of `<transport>_...`, made from the one of the default.
    func declaration(transport: String) -> ParameterDeclaration {
        let base = fallback
        return ParameterDeclaration(
            name: transport + rawValue, kind: base.kind, defaultText: "$" + base.name, defaultNote: "", isRaw: false, unit: base.unit,
            summary: "As \(base.name), for the transport \(transport).", discussion: "", since: base.since, programs: base.programs)
    }

    /// The transport in a name like `slow_destination_concurrency_limit`, or nil where the name is none of these.
    public static func transport(inName name: String) -> (transport: String, parameter: TransportParameter)? {
        // The longest suffix first: `_destination_recipient_limit` ends with `_recipient_limit`.
        for parameter in allCases.sorted(by: { $0.rawValue.utf8.count > $1.rawValue.utf8.count }) where name.hasSuffix(parameter.rawValue) {
            let transport = String(name.dropLast(parameter.rawValue.count))
            return transport.isEmpty || transport == "default" ? nil : (transport, parameter)
        }
        return nil
    }
}
