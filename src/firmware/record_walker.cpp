// SPDX-License-Identifier: Apache-2.0
#include "firmware/record_walker.hpp"

namespace smmu::firmware {

std::string_view describe(WalkFault fault) {
    switch (fault) {
        case WalkFault::none:
            return "nothing is wrong";
        case WalkFault::header_cut:
            return "the rest is too short for a record";
        case WalkFault::length_too_small:
            return "its length is shorter than its own header";
        case WalkFault::past_end:
            return "it reaches past the end of what holds it";
    }
    return "unknown";
}

std::uint32_t RecordWalker::number(std::size_t at, unsigned bytes) const {
    if (bytes == 1) return area_.at<std::uint8_t>(at).value_or(0);
    return area_.at<std::uint16_t>(at).value_or(0);
}

std::optional<Record> RecordWalker::next() {
    if (fault_ != WalkFault::none || at_ == area_.size()) return std::nullopt;
    if (area_.size() - at_ < shape_.header()) {
        fault_ = WalkFault::header_cut;
        return std::nullopt;
    }
    const std::size_t length = number(at_ + shape_.type_bytes, shape_.length_bytes);
    if (length < shape_.header()) {
        fault_ = WalkFault::length_too_small;
        return std::nullopt;
    }
    const auto bytes = area_.slice(at_, length);
    if (!bytes) {
        fault_ = WalkFault::past_end;
        return std::nullopt;
    }
    const Record record{number(at_, shape_.type_bytes), offset_ + at_, *bytes};
    at_ += length;
    return record;
}

}  // namespace smmu::firmware
