// Punycode (RFC 3492): a label of Unicode characters as ASCII, for the A-labels of internationalized domain names (RFC 5890).
//
// Security: every sum is checked for overflow (RFC 3492 section 6.4), and the length of the label bounds the work.

enum Punycode {
    private static let base: UInt32 = 36
    private static let tMin: UInt32 = 1
    private static let tMax: UInt32 = 26
    private static let skew: UInt32 = 38
    private static let damp: UInt32 = 700

    /// The encoded form without `xn--`; nil where it would exceed a label of the DNS.
    static func encode(_ scalars: [UInt32]) -> [UInt8]? {
        guard scalars.count <= 63 else { return nil }
        var output = scalars.filter { $0 < 0x80 }.map { UInt8(truncatingIfNeeded: $0) }
        let basicCount = UInt32(output.count)
        var handled = basicCount
        if handled > 0 { output.append(UInt8(ascii: "-")) }
        var n: UInt32 = 0x80
        var delta: UInt32 = 0
        var bias: UInt32 = 72
        while handled < UInt32(scalars.count) {
            guard let next = scalars.filter({ $0 >= n }).min() else { return nil }
            let (product, overflow) = (next - n).multipliedReportingOverflow(by: handled + 1)
            let (sum, carry) = delta.addingReportingOverflow(product)
            if overflow || carry { return nil }
            delta = sum
            n = next
            for scalar in scalars {
                if scalar < n {
                    let (increased, carry) = delta.addingReportingOverflow(1)
                    if carry { return nil }
                    delta = increased
                }
                guard scalar == n else { continue }
                var q = delta
                var k = base
                while true {
                    let t = k <= bias ? tMin : (k >= bias + tMax ? tMax : k - bias)
                    if q < t { break }
                    output.append(digit(t + (q - t) % (base - t)))
                    q = (q - t) / (base - t)
                    k += base
                }
                output.append(digit(q))
                if output.count > 59 { return nil }
                bias = adapt(delta, count: handled + 1, isFirst: handled == basicCount)
                delta = 0
                handled += 1
            }
            let (increased, overflowing) = delta.addingReportingOverflow(1)
            if overflowing { return nil }
            delta = increased
            n += 1
        }
        return output.count > 59 ? nil : output
    }

    private static func digit(_ value: UInt32) -> UInt8 {
        UInt8(truncatingIfNeeded: value < 26 ? value + 0x61 : value - 26 + 0x30)
    }

    private static func adapt(_ start: UInt32, count: UInt32, isFirst: Bool) -> UInt32 {
        var delta = isFirst ? start / damp : start / 2
        delta += delta / count
        var k: UInt32 = 0
        while delta > (base - tMin) * tMax / 2 {
            delta /= base - tMin
            k += base
        }
        return k + (base - tMin + 1) * delta / (delta + skew)
    }
}
