// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as the fault status and the fault records of a VT-d unit. What comes out is bounded and
// says nothing that the records cannot say; what was read is given back to the unit.
//
// Input: number of records - 1, four bytes of status, then 16 bytes for each record; missing ones are 0.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "units/vtd/fault_log.hpp"

namespace {

using namespace smmu;
using namespace smmu::units;

constexpr std::uint64_t records_at = 0x400;
constexpr std::size_t record_bytes = vtd::fault_record_bytes;

void demand(bool holds) {
    if (!holds) std::abort();
}

// The status and the records, each cleared by writing 1 as hardware does; nothing is recorded anew.
class Records final : public hw::Mmio {
public:
    explicit Records(std::span<const std::uint8_t> input) {
        count_ = input.empty() ? 1 : input[0] + 1u;
        bytes_.resize(count_ * record_bytes);
        if (input.size() < 5) return;
        std::memcpy(&status_, input.data() + 1, sizeof status_);
        input = input.subspan(5);
        std::memcpy(bytes_.data(), input.data(), std::min(input.size(), bytes_.size()));
    }
    unsigned count() const { return count_; }

    std::uint32_t read32(std::uint64_t offset) noexcept override {
        if (offset == vtd::FaultStatus::offset) return status_;
        return load<std::uint32_t>(offset);
    }
    std::uint64_t read64(std::uint64_t offset) noexcept override { return load<std::uint64_t>(offset); }
    void write32(std::uint64_t offset, std::uint32_t value) noexcept override {
        if (offset == vtd::FaultStatus::offset) {
            status_ &= ~value;
        } else {
            const std::uint32_t left = load<std::uint32_t>(offset) & ~value;
            std::memcpy(bytes_.data() + (offset - records_at), &left, sizeof left);
        }
    }
    void write64(std::uint64_t, std::uint64_t) noexcept override { demand(false); }

private:
    template <class Word>
    Word load(std::uint64_t offset) const {
        demand(offset >= records_at && offset - records_at + sizeof(Word) <= bytes_.size());
        Word word;
        std::memcpy(&word, bytes_.data() + (offset - records_at), sizeof word);
        return word;
    }

    unsigned count_ = 1;
    std::uint32_t status_ = 0;
    std::vector<std::uint8_t> bytes_;
};

class Sink final : public RefusalSink {
public:
    unsigned count = 0;
    void refused(const Refusal& refusal) noexcept override {
        ++count;
        demand(raw(refusal.stream) <= 0xffff);
        demand(refusal.address.value % 4096 == 0);
        demand(refusal.stage <= 2);
        demand(refusal.hardware_text != nullptr);
        demand((refusal.raw[1] >> 63) == 1);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto records = std::make_unique<Records>(std::span(data, size));
    vtd::Features features;
    features.fault_records = records->count();
    features.fault_registers = records_at;
    SteadyClock clock;
    vtd::Hardware hardware(std::move(records), features, "fuzzed", clock);
    vtd::FaultLog log(hardware);

    Sink sink;
    const Drained drained = log.drain(sink);
    demand(drained.seen == sink.count);
    demand(drained.seen <= std::min(features.fault_records, vtd::FaultLog::records_per_call));
    log.discard();
    return 0;
}
