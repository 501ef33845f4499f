// SPDX-License-Identifier: Apache-2.0
// FaultLog: a unit's fault recording registers and fault status (VT-d 5.10, 7.2 and 11.4.7).
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "tests/models/vtd/model/request.hpp"

namespace smmu::model::vtd {

class FaultLog {
public:
    FaultLog(unsigned registers, bool collapses) : records_(registers), collapses_(collapses) {}

    void record(const Request& request, Fault fault);
    // The fault bits of FSTS: overflow, pending, index of the first pending one.
    std::uint32_t status() const;
    void clear_overflow() { overflow_ = false; }
    void restart() { next_ = 0; }

    std::uint32_t read(unsigned dword) const;
    void write(unsigned dword, std::uint32_t value);

private:
    struct Record {
        std::uint64_t low = 0;
        std::uint64_t high = 0;
        bool pending() const { return high >> 63 != 0; }
    };

    std::vector<Record> records_;
    bool collapses_;
    bool overflow_ = false;
    unsigned next_ = 0;
    unsigned first_ = 0;  // pending, when any is
};

}  // namespace smmu::model::vtd
