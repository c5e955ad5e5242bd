// How far a window moves for one delivery: the value of default_destination_concurrency_positive_feedback and its negative twin.

/// A feedback: `number`, `number / concurrency` or `number / sqrt_concurrency`, with a number of 0 to 1.
public struct ConcurrencyFeedback: Hashable, Sendable {
    /// What the number is divided by.
    public enum Divisor: Hashable, Sendable {
        case one
        /// The window: a whole window of deliveries moves it by the number.
        case concurrency
        case squareRoot
    }

    public var number: Double
    public var divisor: Divisor

    /// - Parameter number: taken into 0...1.
    public init(_ number: Double, per divisor: Divisor = .one) {
        self.number = number.isFinite ? min(max(number, 0), 1) : 0
        self.divisor = divisor
    }

    /// The text of a parameter, in ASCII; nil where it is none.
    public init?(parsing text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map { part in
            part.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed()
        }
        guard let first = parts.first, let number = ConcurrencyFeedback.decimal(first), number <= 1 else { return nil }
        guard parts.count == 2 else {
            self.init(number)
            return
        }
        switch String(parts[1]) {
        case "concurrency": self.init(number, per: .concurrency)
        case "sqrt_concurrency": self.init(number, per: .squareRoot)
        default: return nil
        }
    }

    /// The step for a window of this size.
    public func step(window: Int) -> Double {
        switch divisor {
        case .one: number
        case .concurrency: number / Double(max(1, window))
        case .squareRoot: number / Double(max(1, window)).squareRoot()
        }
    }

    /// `digits[.digits]`: no sign, no exponent, few digits; so that it is total without a library.
    private static func decimal(_ text: some Sequence<Character>) -> Double? {
        var value = 0.0
        var scale = 1.0
        var isFraction = false
        var digits = 0
        for character in text {
            if character == "." {
                if isFraction { return nil }
                isFraction = true
                continue
            }
            guard character.isASCII, let digit = character.wholeNumberValue, digits < 15 else { return nil }
            digits += 1
            value = value * 10 + Double(digit)
            if isFraction { scale *= 10 }
        }
        return digits > 0 ? value / scale : nil
    }
}
