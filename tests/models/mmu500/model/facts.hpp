// SPDX-License-Identifier: Apache-2.0
// Facts: which machine the model is. Tests fill it in, or a description in JSON does.
#pragma once

#include <string>
#include <vector>

#include "tests/models/mmu500/model/features.hpp"

namespace smmu::model::mmu500 {

struct UnitFacts {
    std::uint64_t base = 0xfd800000;
    Features features = {};
    Behaviour behaviour = {};
};

struct EngineFacts {
    std::uint64_t base = 0xff000000;
    std::size_t unit = 0;
    std::vector<std::uint16_t> streams = {};  // its register chooses one
};

enum class Firmware : std::uint8_t { device_tree, iort };

struct MachineFacts {
    static constexpr std::uint64_t ram_base = 0x80000000;

    std::string name = "model";
    std::uint64_t memory_mib = 256;
    Firmware firmware = Firmware::device_tree;
    std::vector<UnitFacts> units = {{}};
    std::vector<EngineFacts> engines = usual_engines();

    // Three with a stream each, and one with two.
    static std::vector<EngineFacts> usual_engines() {
        return {{0xff000000, 0, {1}},
                {0xff100000, 0, {2}},
                {0xff200000, 0, {8}},
                {0xff300000, 0, {0x10, 0x11}}};
    }
};

}  // namespace smmu::model::mmu500
