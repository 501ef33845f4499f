// SPDX-License-Identifier: Apache-2.0
// What is said about wrong configuration: each message, word for word.
#include <gtest/gtest.h>

#include <map>

#include "config/parse.hpp"

namespace smmu::config {
namespace {

std::vector<std::string> errors_of(const std::string& file, Edition edition = Edition::plain) {
    const FileReader reader = [&file](const std::string& path) -> Result<std::string> {
        if (path == "b.smmu") return file;
        if (path == "loop.smmu") return std::string("@loop.smmu");
        if (path == "zero.smmu") return std::string("a\0b", 3);
        if (path == "large.smmu") return std::string(longest_file + 1, ' ');
        return fail(ENOENT, "No such file or directory");
    };
    const std::vector<std::string> arguments{"@b.smmu"};
    std::vector<std::string> lines;
    for (const ConfigError& error : parse(arguments, reader, edition).errors)
        lines.push_back(error.line());
    return lines;
}

struct Case {
    const char* text;
    const char* line;
};

// clang-format off
const Case cases[] = {
    {"foo", "b.smmu:1:1: 'foo': expected an option: allow, device, smmu, unit, ... (see the manual page)"},
    {"foreground foo", "b.smmu:1:12: 'foo': foreground takes no more words: expected an option"},
    {"allow", "b.smmu:1:1: 'allow': ends too early: expected a name"},
    {"allow a", "b.smmu:1:1: 'allow': ends too early: expected start,len[,perm]"},
    {"allow a debug 1", "b.smmu:1:9: 'debug': is the next option, but allow needs start,len[,perm] first"},
    {"allow 1a 0,1", "b.smmu:1:7: '1a': expected a name: a letter, then letters, digits, _ - . or @, at most 64"},
    {"allow any 0,1", "b.smmu:1:7: 'any': expected a name: a letter, then letters, digits, _ - . or @, at most 64; this word has a meaning of its own"},
    {"allow a! 0,1", "b.smmu:1:7: 'a!': expected a name: a letter, then letters, digits, _ - . or @, at most 64"},
    {"allow a 1000", "b.smmu:1:9: '1000': expected start,len[,perm]"},
    {"allow a 10q0,1", "b.smmu:1:9: '10q0,1': expected an address (hexadecimal): '10q0' holds 'q', which is not a hexadecimal digit"},
    {"allow a 1000,f", "b.smmu:1:9: '1000,f': expected a length (decimal, K M G): 'f' holds 'f', which is not a decimal digit"},
    {"allow a 1000,0", "b.smmu:1:9: '1000,0': the length is 0"},
    {"allow a 1000,", "b.smmu:1:9: '1000,': expected a length (decimal, K M G): '' has no digits"},
    {"allow a ffffffffffffffff,2", "b.smmu:1:9: 'ffffffffffffffff,2': the range reaches past the top of the address space"},
    {"allow a 10000000000000000,2", "b.smmu:1:9: '10000000000000000,2': expected an address (hexadecimal): '10000000000000000' does not fit in 64 bits"},
    {"allow a 0,1,", "b.smmu:1:9: '0,1,': expected permissions, each of r, w, x at most once: ''"},
    {"allow a 0,1,rr", "b.smmu:1:9: '0,1,rr': expected permissions, each of r, w, x at most once: 'rr'"},
    {"allow a 0,1,q", "b.smmu:1:9: '0,1,q': expected permissions, each of r, w, x at most once: 'q'"},
    {"allow a 0,1,r,w", "b.smmu:1:9: '0,1,r,w': expected permissions, each of r, w, x at most once: 'r,w'"},
    {"device", "b.smmu:1:1: 'device': ends too early: expected a device id"},
    {"device pci:3b:0.0", "b.smmu:1:8: 'pci:3b:0.0': numbers after pci: are decimal; did you mean pci:59:0.0?"},
    {"device pci:0:1.0 foo", "b.smmu:1:18: 'foo': no allow line defines this name"},
    {"device pci:0:1.0 7", "b.smmu:1:18: '7': expected the name of an allow set, use, reserved, host or blocked: a letter, then letters, digits, _ - . or @, at most 64"},
    {"device pci:0:1.0 use", "b.smmu:1:1: 'device': ends too early: expected the name of a unit behind use"},
    {"device pci:0:1.0 use u 5x", "b.smmu:1:24: '5x': expected a stream id or micro-TLB number (decimal): '5x' holds 'x', which is not a decimal digit"},
    {"device pci:0:1.0 use u 4294967296", "b.smmu:1:24: '4294967296': expected a stream id or micro-TLB number (decimal): '4294967296' is too large"},
    {"device pci:0:1.0 reserved none reserved 0,1", "b.smmu:1:41: '0,1': the device also has reserved none: expected one or the other"},
    {"device pci:0:1.0 reserved 0,1 reserved none", "b.smmu:1:40: 'none': the device also has a reserved range: expected one or the other"},
    {"device pci:0:1.0 host blocked", "b.smmu:1:23: 'blocked': host and blocked exclude each other"},
    {"smmu", "b.smmu:1:1: 'smmu': ends too early: expected vtd, armsmmu, armsmmuv3, rcar3, amdvi, riscv, virtio or vfio"},
    {"smmu intel", "b.smmu:1:6: 'intel': expected vtd, armsmmu, armsmmuv3, rcar3, amdvi, riscv, virtio or vfio"},
    {"smmu vtd maybe", "b.smmu:1:10: 'maybe': expected require, ignore or an option"},
    {"smmu amdvi require", "b.smmu:1:12: 'require': smmu takes no more words: expected an option"},
    {"smmu rcar3", "b.smmu:1:1: 'smmu': ends too early: expected paddr,fault_vector,mm_fault_bit{,socid.revid}"},
    {"smmu rcar3 e67b0000,228", "b.smmu:1:12: 'e67b0000,228': expected paddr,fault_vector,mm_fault_bit{,socid.revid}"},
    {"smmu rcar3 e67b0000,228,18,7", "b.smmu:1:12: 'e67b0000,228,18,7': expected socid.revid, not '7'"},
    {"unit a 1000", "b.smmu:1:6: 'a': expected a smmu word before it, which says what kind of unit this is"},
    {"smmu vfio unit a 1000", "b.smmu:1:16: 'a': units of vfio belong to the kernel and cannot be described by hand"},
    {"smmu vtd unit a 1000 unit a 2000", "b.smmu:1:27: 'a': a unit of this name is already described at b.smmu:1:10"},
    {"smmu vtd unit a 1000,5", "b.smmu:1:17: '1000,5': expected the address of its registers"},
    {"smmu armsmmu unit a 1000,5", "b.smmu:1:21: '1000,5': expected paddr,NScIrpt,NSgIrpt,bypass[,res_sid[,cfg_dll]]"},
    {"smmu armsmmu unit a 1000,5,6,2", "b.smmu:1:21: '1000,5,6,2': expected 0 or 1 for bypass, not '2'"},
    {"smmu armsmmu unit a 1000,5,z,0", "b.smmu:1:21: '1000,5,z,0': expected an interrupt number (decimal): 'z' holds 'z', which is not a decimal digit"},
    {"smmu armsmmu unit a 1000,5,6,0,x", "b.smmu:1:21: '1000,5,6,0,x': expected a reserved stream id (decimal): 'x' holds 'x', which is not a decimal digit"},
    {"smmu armsmmu unit a 1000,5,6,0,1,foo", "b.smmu:1:21: '1000,5,6,0,1,foo': 'foo' is not a board that is built in: expected imx8"},
    {"smmu vtd unit a 1000 device pci:0:1.0 use a 5", "b.smmu:1:43: 'a': a VT-d unit knows streams by their PCI address: no number is allowed here"},
    {"smmu armsmmu unit a 1000,5,6,0 device mem:1 use a", "b.smmu:1:49: 'a': expected a stream id (decimal) behind the unit"},
    {"smmu armsmmuv3 unit a 1000,5,6,0 device mem:1 use a", "b.smmu:1:51: 'a': expected a stream id (decimal) behind the unit"},
    {"smmu rcar3 0,1,2 unit a 1000,5 device mem:1 use a", "b.smmu:1:49: 'a': expected a micro-TLB number (decimal) behind the unit"},
    {"combine both", "b.smmu:1:9: 'both': expected override or merge"},
    {"unclaimed open", "b.smmu:1:11: 'open': expected block or bypass"},
    {"unclaimed block 5", "b.smmu:1:17: '5': expected the name of a unit: a letter, then letters, digits, _ - . or @, at most 64"},
    {"uncontained fed90000", "b.smmu:1:13: 'fed90000': expected accept"},
    {"uncontained accept", "b.smmu:1:1: 'uncontained': ends too early: expected the address of a unit's registers"},
    {"exit", "b.smmu:1:1: 'exit': ends too early: expected startup or block"},
    {"ability fly user:a", "b.smmu:1:9: 'fly': expected attach, target, monitor or admin"},
    {"ability attach root", "b.smmu:1:16: 'root': expected user:NAME or group:NAME"},
    {"ability attach user:", "b.smmu:1:16: 'user:': expected user:NAME or group:NAME"},
    {"limit user:a pci:0:1.0", "b.smmu:1:1: 'limit': ends too early: expected start,len[,perm] or any"},
    {"limit user:a some any", "b.smmu:1:14: 'some': expected a device id such as pci:0:18.0, 0000:00:12.0 or mem:0xe6ef0000"},
    {"tables 0", "b.smmu:1:8: '0': expected a size (decimal, K M G): it is 0"},
    {"tables 0,1M,r", "b.smmu:1:8: '0,1M,r': expected start,len without permissions"},
    {"widen yes", "b.smmu:1:7: 'yes': expected refuse or allow"},
    {"safety maybe", "b.smmu:1:8: 'maybe': expected none, warn or required"},
    {"platform board", "b.smmu:1:1: 'platform': ends too early: expected the name of a board"},
    {"platform qnx", "b.smmu:1:10: 'qnx': expected linux or board"},
    {"trial 0", "b.smmu:1:7: '0': expected 1 to 86400 seconds"},
    {"trial soon", "b.smmu:1:7: 'soon': expected seconds (decimal): 'soon' holds 's', which is not a decimal digit"},
    {"takeover mine", "b.smmu:1:10: 'mine': expected foreign"},
    {"socket here", "b.smmu:1:8: 'here': expected an absolute path of at most 107 characters"},
    {"debug 3", "b.smmu:1:7: '3': expected 1 or 2"},
    {"@none.smmu", "b.smmu:1:1: '@none.smmu': the file cannot be read: No such file or directory"},
    {"@", "b.smmu:1:1: '@': expected the path of a file right behind the @"},
    {"@zero.smmu", "b.smmu:1:1: '@zero.smmu': the file is not text: it holds a zero byte"},
    {"@large.smmu", "b.smmu:1:1: '@large.smmu': the file is larger than 1048576 bytes"},
    {"\n @loop.smmu", "loop.smmu:1:1: '@loop.smmu': files are nested more than 16 deep; does the file name itself?"},
};
// clang-format on

TEST(ConfigErrors, WordForWord) {
    for (const Case& one : cases) {
        const auto lines = errors_of(one.text);
        ASSERT_EQ(lines.size(), 1u) << one.text << (lines.empty() ? "" : "\n  " + lines.back());
        EXPECT_EQ(lines[0], one.line);
    }
}

TEST(ConfigErrors, SafetyRefusesSomeWords) {
    EXPECT_EQ(
        errors_of("trial 5", Edition::safety),
        std::vector<std::string>{
            "b.smmu:1:1: 'trial': smmuman-safety knows no trial: it never goes back to open"});
    EXPECT_EQ(errors_of("widen allow", Edition::safety),
              std::vector<std::string>{
                  "b.smmu:1:1: 'widen': smmuman-safety always refuses to widen permissions"});
    EXPECT_TRUE(errors_of("widen refuse", Edition::safety).empty());
}

TEST(ConfigErrors, SeveralInOneRun) {
    const auto lines =
        errors_of("allow a 0,0\ndevice pci:0:1.0 7 8 host\ndebug 9\nforeground more words\n");
    ASSERT_EQ(lines.size(), 5u);
    EXPECT_TRUE(lines[0].starts_with("b.smmu:1:9:"));
    EXPECT_TRUE(lines[1].starts_with("b.smmu:2:18:"));
    EXPECT_TRUE(lines[2].starts_with("b.smmu:2:20:"));
    EXPECT_TRUE(lines[3].starts_with("b.smmu:3:7:"));
    EXPECT_TRUE(lines[4].starts_with("b.smmu:4:12:"));  // the rest of a wrong option is passed over
}

TEST(ConfigErrors, AtMostTwenty) {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "debug 9\n";
    EXPECT_EQ(errors_of(text).size(), most_errors);
}

TEST(ConfigErrors, SplicesAreBounded) {
    std::string reads;
    const FileReader twice = [&reads](const std::string&) -> Result<std::string> {
        reads += '.';
        return std::string("@b @b @b @b");
    };
    const std::vector<std::string> arguments{"@b"};
    const auto errors = parse(arguments, twice, Edition::plain).errors;
    EXPECT_EQ(errors.size(), most_errors);
    EXPECT_LE(reads.size(), most_splices);
}

TEST(ConfigErrors, WordsAreBounded) {
    EXPECT_EQ(
        errors_of(std::string(longest_word + 1, 'a')).at(0),
        "b.smmu:1:1: '" + std::string(32, 'a') + "': begins a word of more than 4096 characters");
    std::string many;
    for (std::size_t i = 0; i <= most_words; ++i) many += "debug 1 ";
    const auto lines = errors_of(many);
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_NE(lines[0].find("one word more than the 65536"), std::string::npos);
}

}  // namespace
}  // namespace smmu::config
