// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/event.hpp"

#include <algorithm>

#include "hw/register.hpp"

namespace smmu::units::smmuv3 {
namespace {

using hw::Field;
using hw::Register;
using Reason = Refusal::Reason;

struct Word0 : Register<std::uint64_t, 0> {
    static constexpr Field<Word0> type{"Type", 7, 0};
    static constexpr Field<Word0> stream{"StreamID", 63, 32};
    static constexpr auto fields = hw::list(type, stream);
};
struct Word1 : Register<std::uint64_t, 8> {
    static constexpr Field<Word1> instruction{"InD", 34};
    static constexpr Field<Word1> read{"RnW", 35};
    static constexpr Field<Word1> stage2{"S2", 39};
    static constexpr Field<Word1> what{"Class", 41, 40};
    static constexpr auto fields = hw::list(instruction, read, stage2, what);
};

static_assert(hw::is_sound<Word0>() && hw::is_sound<Word1>());

constexpr std::uint64_t input_of_device = 2;  // Class: what was translated was the device's address
constexpr std::uint8_t page_request = 0x24;

// Which words of the record mean something.
enum class Says : std::uint8_t { stream, address, all };

struct Kind {
    std::uint8_t type;
    Reason reason;
    Says says;
    const char* text;
};

constexpr std::array kinds{
    Kind{0x01, Reason::other, Says::all, "F_UUT: a transaction that the unit does not support"},
    Kind{0x02, Reason::unknown_stream, Says::stream, "C_BAD_STREAMID: stream outside the table"},
    Kind{0x03, Reason::configuration, Says::stream, "F_STE_FETCH: stream table entry could not be read"},
    Kind{0x04, Reason::unknown_stream, Says::stream, "C_BAD_STE: no stream table entry"},
    Kind{0x05, Reason::other, Says::address, "F_BAD_ATS_TREQ: translation request of a device refused"},
    Kind{0x06, Reason::other, Says::stream, "F_STREAM_DISABLED: stream without substream refused"},
    Kind{0x07, Reason::other, Says::all, "F_TRANSL_FORBIDDEN: translated request refused"},
    Kind{0x08, Reason::other, Says::stream, "C_BAD_SUBSTREAMID: substream refused"},
    Kind{0x09, Reason::configuration, Says::stream, "F_CD_FETCH: context descriptor could not be read"},
    Kind{0x0a, Reason::configuration, Says::stream, "C_BAD_CD: context descriptor not valid"},
    Kind{0x0b, Reason::configuration, Says::all, "F_WALK_EABT: page table could not be read"},
    Kind{0x10, Reason::not_mapped, Says::all, "F_TRANSLATION: no translation"},
    Kind{0x11, Reason::not_mapped, Says::all, "F_ADDR_SIZE: address too large"},
    Kind{0x12, Reason::configuration, Says::all, "F_ACCESS: access flag clear"},
    Kind{0x13, Reason::permission, Says::all, "F_PERMISSION: this access not allowed"},
    Kind{0x20, Reason::configuration, Says::all, "F_TLB_CONFLICT: two translations cached for one address"},
    Kind{0x21, Reason::configuration, Says::stream, "F_CFG_CONFLICT: two configurations cached for one stream"},
    Kind{0x25, Reason::configuration, Says::stream, "F_VMS_FETCH: VM structure could not be read"},
};
constexpr Kind unknown{0, Reason::other, Says::stream, "a record that this driver does not know"};

Access access_of(hw::Bits<Word1> word) {
    if (!word.has(Word1::read)) return Access::write;
    return word.has(Word1::instruction) ? Access::execute : Access::read;
}

}  // namespace

std::optional<Refusal> refusal_of(const Event& event) {
    const hw::Bits<Word0> head(event[0]);
    const hw::Bits<Word1> body(event[1]);
    const auto type = std::uint8_t(head[Word0::type]);
    if (type == page_request) return std::nullopt;
    const auto at = std::ranges::find(kinds, type, &Kind::type);
    const Kind& kind = at != kinds.end() ? *at : unknown;
    Refusal refusal;
    refusal.stream = StreamId(std::uint32_t(head[Word0::stream]));
    refusal.reason = kind.reason;
    refusal.hardware_text = kind.text;
    refusal.raw = event;
    refusal.address_known = kind.says != Says::stream;
    if (refusal.address_known) refusal.address = Iova{event[2]};
    if (kind.says != Says::all) return refusal;
    refusal.access = access_of(body);
    refusal.stage = body.has(Word1::stage2) ? 2 : 1;
    // A table of ours that is refused itself is nobody's access.
    const bool of_device = body[Word1::what] == input_of_device;
    if (kind.reason != Reason::other && kind.reason != Reason::configuration && !of_device) refusal.reason = Reason::configuration;
    return refusal;
}

}  // namespace smmu::units::smmuv3
