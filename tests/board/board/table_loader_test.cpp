// SPDX-License-Identifier: Apache-2.0
// Scripts of QEMU's table loader: what they ask for, and what they may not.
#include "board/table_loader.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace smmu::board {
namespace {

constexpr PhysRange area{{0x4fe0'0000}, {0x4fe0'ffff}};

class Script {
public:
    Script& allocate(const std::string& name, std::uint32_t alignment) {
        begin(1);
        text(4, name);
        put<std::uint32_t>(60, alignment);
        return *this;
    }
    Script& pointer(const std::string& in, const std::string& to, std::uint32_t offset, std::uint8_t bytes) {
        begin(2);
        text(4, in);
        text(60, to);
        put<std::uint32_t>(116, offset);
        put<std::uint8_t>(120, bytes);
        return *this;
    }
    Script& checksum(const std::string& in, std::uint32_t offset, std::uint32_t start, std::uint32_t length) {
        begin(3);
        text(4, in);
        put<std::uint32_t>(60, offset);
        put<std::uint32_t>(64, start);
        put<std::uint32_t>(68, length);
        return *this;
    }
    Script& other(std::uint32_t command) {
        begin(command);
        return *this;
    }
    Script& cut(std::size_t bytes) {
        bytes_.resize(bytes_.size() - bytes);
        return *this;
    }

    Result<std::vector<LoadedFile>> run() const {
        return run_table_loader(
            bytes_,
            [](const std::string& name) -> Result<std::vector<std::byte>> {
                if (name == "root") return std::vector<std::byte>(36, std::byte{1});
                if (name == "tables") return std::vector<std::byte>(0x100);
                if (name == "large") return std::vector<std::byte>(area.length());
                return fail(ENOENT, "no file " + name);
            },
            area);
    }
    int error() const {
        const auto loaded = run();
        return loaded ? 0 : loaded.error().code;
    }

private:
    void begin(std::uint32_t command) {
        bytes_.resize(bytes_.size() + 128);
        put(0, command);
    }
    template <class T>
    void put(std::size_t at, T value) {
        std::memcpy(bytes_.data() + bytes_.size() - 128 + at, &value, sizeof(T));
    }
    void text(std::size_t at, const std::string& name) {
        std::memcpy(bytes_.data() + bytes_.size() - 128 + at, name.data(), std::min<std::size_t>(name.size(), 56));
    }

    std::vector<std::byte> bytes_;
};

TEST(TableLoader, FilesPointToEachOtherAndSumToZero) {
    const auto loaded = Script()
                            .allocate("root", 16)
                            .other(0)
                            .allocate("tables", 64)
                            .pointer("root", "tables", 24, 8)
                            .checksum("root", 8, 0, 20)
                            .run();
    ASSERT_TRUE(loaded) << loaded.error().text;
    ASSERT_EQ(loaded->size(), 2u);
    EXPECT_EQ((*loaded)[0].address, area.first);
    EXPECT_EQ((*loaded)[1].address, area.first + 64) << "aligned";
    const std::vector<std::byte>& root = (*loaded)[0].bytes;
    std::uint64_t pointer = 0;
    std::memcpy(&pointer, root.data() + 24, 8);
    EXPECT_EQ(pointer, 0x0101010101010101 + (*loaded)[1].address.value) << "what was there is added to";
    unsigned sum = 0;
    for (std::size_t i = 0; i < 20; ++i) sum += std::to_integer<unsigned>(root[i]);
    EXPECT_EQ(sum % 256, 0u);
}

TEST(TableLoader, SaysNoToWhatCannotBeDone) {
    EXPECT_EQ(Script().allocate("nothing", 16).error(), ENOENT);
    EXPECT_EQ(Script().allocate("root", 0).error(), EILSEQ);
    EXPECT_EQ(Script().allocate("root", 24).error(), EILSEQ);
    EXPECT_EQ(Script().allocate("root", 16).allocate("root", 16).error(), EILSEQ);
    EXPECT_EQ(Script().allocate("large", 1).error(), 0);
    EXPECT_EQ(Script().allocate("root", 1).allocate("large", 1).error(), ENOSPC);
    EXPECT_EQ(Script().allocate("root", 1).allocate("tables", 0x8000'0000).error(), ENOSPC);
    EXPECT_EQ(Script().checksum("root", 0, 0, 1).error(), EILSEQ) << "not placed";
    EXPECT_EQ(Script().other(4).error(), EILSEQ);
    EXPECT_EQ(Script().other(0).cut(1).error(), EILSEQ);
}

TEST(TableLoader, StaysInsideItsFiles) {
    const auto with = [] { return Script().allocate("root", 1).allocate("tables", 1); };
    EXPECT_EQ(with().pointer("tables", "root", 0xf8, 8).error(), 0);
    EXPECT_EQ(with().pointer("tables", "root", 0xf9, 8).error(), EILSEQ);
    EXPECT_EQ(with().pointer("tables", "root", 0xffff'ffff, 8).error(), EILSEQ);
    EXPECT_EQ(with().pointer("tables", "missing", 0, 8).error(), EILSEQ);
    for (const std::uint8_t bytes : {std::uint8_t{0}, std::uint8_t{3}, std::uint8_t{16}})
        EXPECT_EQ(with().pointer("tables", "root", 0, bytes).error(), EILSEQ) << int(bytes);
    EXPECT_EQ(with().pointer("tables", "root", 0, 2).error(), EILSEQ) << "the address does not fit";
    EXPECT_EQ(with().checksum("tables", 0xff, 0, 0x100).error(), 0);
    EXPECT_EQ(with().checksum("tables", 0x100, 0, 0x100).error(), EILSEQ);
    EXPECT_EQ(with().checksum("tables", 0, 1, 0x100).error(), EILSEQ);
    EXPECT_EQ(with().checksum("tables", 0, 0xffff'ffff, 0xffff'ffff).error(), EILSEQ);
}

}  // namespace
}  // namespace smmu::board
