// SPDX-License-Identifier: Apache-2.0
// Streams: the stream match and stream-to-context registers (IHI 0062, 2.3).
#pragma once

#include <optional>
#include <vector>

#include "tests/models/mmu500/model/features.hpp"
#include "tests/models/mmu500/model/registers.hpp"
#include "tests/models/mmu500/model/voice.hpp"

namespace smmu::model::mmu500 {

class Streams {
public:
    // What a StreamID meets: nothing, one S2CR, or several.
    struct Match {
        std::optional<std::uint32_t> s2cr = std::nullopt;
        bool conflict = false;
    };

    Streams(const Features& features, const Behaviour& behaviour, const Voice& complain);

    std::uint32_t read_smr(unsigned index) const;
    std::uint32_t read_s2cr(unsigned index) const;
    void write_smr(unsigned index, std::uint32_t value);
    void write_s2cr(unsigned index, std::uint32_t value);

    void set_extended(bool extended);
    bool any_valid() const;
    // A stream that is translated by `bank`.
    bool lead_to(unsigned bank) const;
    // The unit begins to translate: what does it find here?
    void check_all_written() const;
    Match match(std::uint16_t stream) const;

private:
    struct Group {
        std::uint32_t smr = 0;
        std::uint32_t s2cr = 0;
        bool smr_written = false;
        bool s2cr_written = false;
    };
    struct Pattern {
        std::uint32_t id;
        std::uint32_t mask;
    };
    bool is_valid(const Group& group) const;
    Pattern pattern(const Group& group) const;
    void check_new(unsigned index) const;

    const Features& features_;
    const Voice& complain_;
    bool extended_ = false;
    std::vector<Group> groups_;
};

}  // namespace smmu::model::mmu500
