import NIOCore
import Testing

@testable import ServiceKit

@Suite struct TransientReadBuffersTests {
    @Test(arguments: [
        ([], 256),
        // A command: the next may be content.
        ([10], 8192),
        ([256], 8192),
        ([10, 4000], 8192),
        ([10, 8192], 16_384),
        ([10, 8192, 16_384, 32_768, 65_536, 65_536], 65_536),
        // Most of a buffer: content goes on.
        ([10, 8192, 16_384, 32_768, 40_000], 65_536),
        ([10, 8192, 16_384, 32_768, 65_536, 10], 32_768),
        // The content is over.
        ([10, 8192, 16_384, 32_768, 10, 10, 10, 10], 8192),
    ])
    func sizeFollowsWhatWasRead(reads: [Int], size: Int) {
        var buffers = TransientReadBuffers()
        for count in reads { _ = buffers.record(actualReadBytes: count) }
        #expect(buffers.nextBufferSize() == size)
        #expect(buffers.buffer(allocator: ByteBufferAllocator()).capacity >= size)
    }
}
