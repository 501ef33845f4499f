// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/device_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstring>

#include "base/assert.hpp"
#include "base/unique_fd.hpp"
#include "platform/linux/bus_probe.hpp"

namespace smmu::platform::linux {

namespace {

// One access of the full width each, in program order; registers are little endian, as the processors are.
static_assert(std::endian::native == std::endian::little);

class Registers final : public hw::Mmio {
public:
    explicit Registers(PhysicalView view) : view_(std::move(view)) {}

    std::uint32_t read32(std::uint64_t offset) noexcept override { return *at<std::uint32_t>(offset); }
    std::uint64_t read64(std::uint64_t offset) noexcept override { return *at<std::uint64_t>(offset); }
    void write32(std::uint64_t offset, std::uint32_t value) noexcept override { *at<std::uint32_t>(offset) = value; }
    void write64(std::uint64_t offset, std::uint64_t value) noexcept override { *at<std::uint64_t>(offset) = value; }

private:
    template <class Word>
    volatile Word* at(std::uint64_t offset) const {
        SMMU_ASSERT(offset % sizeof(Word) == 0 && offset < view_.bytes().size() && view_.bytes().size() - offset >= sizeof(Word));
        return reinterpret_cast<volatile Word*>(view_.bytes().data() + offset);
    }

    PhysicalView view_;
};

}  // namespace

PhysicalView::~PhysicalView() {
    if (!pages_.empty()) munmap(pages_.data(), pages_.size());
}

Result<PhysicalView> PhysicalView::map(const HostFiles& files, PhysRange range, Caching caching) {
    const auto failed = [&](std::string_view advice) {
        const int code = errno;
        return fail(code, fmt::format("/dev/mem, {:#x}-{:#x}: {}; {}", range.first.value, range.last.value, std::strerror(code), advice));
    };
    const UniqueFd memory(open(files.path("/dev/mem").c_str(), O_RDWR | O_CLOEXEC | (caching == Caching::none ? O_SYNC : 0)));
    if (!memory) return failed("run smmuman as root with CAP_SYS_RAWIO, and without a wrapper that hides devices");
    const auto page = unsigned(std::countr_zero(std::uint64_t(sysconf(_SC_PAGESIZE))));
    const PhysRange pages = range.rounded_out(page);
    void* const start = mmap(nullptr, pages.length(), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), off_t(pages.first.value));
    if (start == MAP_FAILED) return failed("a driver of the kernel has it, or the kernel is locked down");
    PhysicalView view;
    view.pages_ = std::span(static_cast<std::byte*>(start), pages.length());
    view.bytes_ = view.pages_.subspan(range.first - pages.first, range.length());
    return view;
}

Result<std::unique_ptr<hw::Mmio>> open_registers(const HostFiles& files, PhysRange range) {
    SMMU_TRY(PhysicalView view, PhysicalView::map(files, range, PhysicalView::Caching::none));
    if (const auto answers = probe_first_register(view.bytes()); !answers)
        return fail(EIO, fmt::format("{:#x}-{:#x}: {}: it is powered down or clocked off; boot with clk_ignore_unused (and "
                                     "pd_ignore_unused), or say `uncontained accept {:#x}` if it stays off",
                                     range.first.value, range.last.value, answers.error().text, range.first.value));
    return std::make_unique<Registers>(std::move(view));
}

}  // namespace smmu::platform::linux
