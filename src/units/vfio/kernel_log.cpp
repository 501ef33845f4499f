// SPDX-License-Identifier: Apache-2.0
#include "units/vfio/kernel_log.hpp"

#include <algorithm>
#include <charconv>

namespace smmu::units::vfio {
namespace {

using Reason = Refusal::Reason;

constexpr std::size_t longest_speaker = 128;

// Reads a text from its beginning on; once something is not as expected, nothing is.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    Scanner& word(std::string_view expected) {
        sound_ = sound_ && rest_.starts_with(expected);
        if (sound_) rest_.remove_prefix(expected.size());
        return *this;
    }
    template <class T>
    Scanner& number(T& value, int base) {
        T read{};
        const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), read, base);
        sound_ = sound_ && problem == std::errc{};
        if (!sound_) return *this;
        rest_.remove_prefix(std::size_t(end - rest_.data()));
        value = read;
        return *this;
    }
    // "00:03.0"
    Scanner& function(std::uint16_t& requester) {
        std::uint8_t bus = 0, device = 0, number_of_it = 0;
        number(bus, 16).word(":").number(device, 16).word(".").number(number_of_it, 16);
        sound_ = sound_ && device < 32 && number_of_it < 8;
        if (sound_) requester = std::uint16_t(bus << 8 | device << 3 | number_of_it);
        return *this;
    }
    explicit operator bool() const { return sound_; }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
    bool sound_ = true;
};

// "6,1234,5678901,-;text\n KEY=value": priority and facility in one number, and the text. Nothing unless the kernel wrote it:
// it puts what others write into another facility (printk's devkmsg_write).
std::optional<std::string_view> text_of_kernel(std::string_view record) {
    unsigned priority = 0;
    if (!Scanner(record).number(priority, 10).word(",") || priority >> 3 != 0) return std::nullopt;
    const auto begin = record.find(';');
    if (begin == record.npos) return std::nullopt;
    return record.substr(begin + 1, record.find('\n') - begin - 1);
}

// DMAR: [DMA Read NO_PASID] Request device [00:03.0] fault addr 0x50000 [fault reason 0x06] PTE Read access is not set
// DMAR: [DMA Write PASID 0x1] Request device ...
std::optional<LoggedRefusal> vtd_refusal(std::string_view text) {
    LoggedRefusal found;
    Scanner scanner(text);
    scanner.word("DMAR: [DMA ");
    const bool is_read = scanner.rest().starts_with("Read ");
    scanner.word(is_read ? "Read " : "Write ");
    if (scanner.rest().starts_with("NO_PASID")) {
        scanner.word("NO_PASID");
    } else {
        std::uint32_t process = 0;
        scanner.word("PASID 0x").number(process, 16);
    }
    std::uint64_t address = 0;
    std::uint8_t reason = 0;
    scanner.word("] Request device [").function(found.requester).word("] fault addr 0x").number(address, 16);
    scanner.word(" [fault reason 0x").number(reason, 16).word("]");
    if (!scanner) return std::nullopt;
    // Permission missing: in empty entries, too (VT-d 7.1.3).
    constexpr std::uint8_t no_write = 0x05, no_read = 0x06, first_stage_absent = 0x71, second_stage_absent = 0x79, above_width = 0x84,
                           scalable_no_write = 0x85, scalable_no_read = 0x86;
    const bool not_mapped = reason == no_write || reason == no_read || reason == first_stage_absent || reason == second_stage_absent ||
                            reason == above_width || reason == scalable_no_write || reason == scalable_no_read;
    found.refusal.address = Iova{address};
    found.refusal.access = is_read ? Access::read : Access::write;
    found.refusal.reason = not_mapped ? Reason::not_mapped : Reason::other;
    found.refusal.raw = {reason, 0, 0, 0};
    found.refusal.hardware_text = "VT-d, by the kernel's log";
    return found;
}

// AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:00:03.0 domain=0x0001 address=0x50000 flags=0x0020]
// vfio-pci 0000:00:03.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0001 address=0x50000 flags=0x0020]
std::optional<LoggedRefusal> amd_refusal(std::string_view text) {
    LoggedRefusal found;
    std::uint16_t segment = 0, flags = 0;
    std::uint32_t domain = 0;
    std::uint64_t address = 0;
    const bool names_device = !text.starts_with("AMD-Vi: ");
    // The driver's name is one word: what other drivers quote of their devices comes behind more of them.
    if (names_device) text.remove_prefix(std::min(text.find(' '), text.size() - 1) + 1);
    Scanner scanner(text);
    if (names_device) scanner.number(segment, 16).word(":").function(found.requester).word(": ");
    scanner.word("AMD-Vi: Event logged [IO_PAGE_FAULT ");
    if (!names_device) scanner.word("device=").number(segment, 16).word(":").function(found.requester).word(" ");
    scanner.word("domain=0x").number(domain, 16).word(" address=0x").number(address, 16).word(" flags=0x").number(flags, 16).word("]");
    if (!scanner) return std::nullopt;
    constexpr std::uint16_t is_present = 1 << 4, is_write = 1 << 5;
    found.segment = segment;
    found.refusal.address = Iova{address};
    found.refusal.access = (flags & is_write) != 0 ? Access::write : Access::read;
    found.refusal.reason = (flags & is_present) != 0 ? Reason::permission : Reason::not_mapped;
    found.refusal.raw = {flags, domain, 0, 0};
    found.refusal.hardware_text = "IO_PAGE_FAULT, by the kernel's log";
    return found;
}

// The words of an SMMUv3's event record.
LoggedRefusal smmu_refusal(const std::array<std::uint64_t, 4>& event) {
    constexpr unsigned instruction_bit = 34, read_bit = 35, stage2_bit = 39, stream_shift = 32;
    LoggedRefusal found;
    found.requester = std::uint16_t(event[0] >> stream_shift);
    if (event[0] >> stream_shift > 0xffff) found.segment = std::uint16_t(event[0] >> (stream_shift + 16));
    const bool is_read = (event[1] >> read_bit & 1) != 0, is_fetch = (event[1] >> instruction_bit & 1) != 0;
    found.refusal.access = !is_read ? Access::write : is_fetch ? Access::execute : Access::read;
    found.refusal.stage = (event[1] >> stage2_bit & 1) != 0 ? 2 : 1;
    found.refusal.address = Iova{event[2]};
    found.refusal.raw = event;
    found.refusal.hardware_text = "SMMUv3, by the kernel's log";
    switch (event[0] & 0xff) {
        case 0x10:
        case 0x11: found.refusal.reason = Reason::not_mapped; break;
        case 0x13: found.refusal.reason = Reason::permission; break;
        default:
            found.refusal.reason = Reason::other;
            found.refusal.address_known = false;
            found.refusal.access = Access::none;
    }
    return found;
}

// "dmar_fault: 23 callbacks suppressed": of the functions that report refusals.
std::uint64_t suppressed_in(std::string_view text) {
    for (const std::string_view who : {"dmar_fault", "amd_iommu_report_page_fault", "amd_iommu_print_event", "arm_smmu_evtq_thread"}) {
        std::uint32_t count = 0;
        if (Scanner(text).word(who).word(": ").number(count, 10).word(" callbacks suppressed")) return count;
    }
    return 0;
}

}  // namespace

Logged KernelLog::take(std::string_view record) {
    const auto text = text_of_kernel(record);
    if (!text || text->empty()) return {};
    if (auto found = vtd_refusal(*text)) return {std::move(found), 0};
    if (auto found = amd_refusal(*text)) return {std::move(found), 0};
    if (const auto count = suppressed_in(*text)) return {std::nullopt, count};
    return take_smmu_line(*text);
}

// arm-smmu-v3 9050000.smmuv3: event 0x10 received:
// arm-smmu-v3 9050000.smmuv3: \t0x0000001800000010     (four of them; the log writes the tab as \x09)
Logged KernelLog::take_smmu_line(std::string_view text) {
    constexpr std::string_view driver = "arm-smmu-v3 ", first = ": event 0x", word = ": \\x090x", unescaped_word = ": \t0x";
    if (!text.starts_with(driver)) return {};
    const auto colon = text.find(": ");
    if (colon == text.npos || colon > longest_speaker) return {};
    const std::string_view speaker = text.substr(0, colon), said = text.substr(colon);
    std::uint8_t type = 0;
    if (Scanner(said).word(first).number(type, 16).word(" received:")) {
        speaker_ = speaker;
        words_ = 0;
        return {};
    }
    std::uint64_t value = 0;
    const bool is_word = Scanner(said).word(word).number(value, 16) || Scanner(said).word(unescaped_word).number(value, 16);
    if (!is_word || speaker_ != speaker || speaker_.empty()) {
        if (speaker_ == speaker) speaker_.clear();  // it has begun to say something else
        return {};
    }
    event_[words_++] = value;
    if (words_ < event_.size()) return {};
    speaker_.clear();
    return {smmu_refusal(event_), 0};
}

}  // namespace smmu::units::vfio
