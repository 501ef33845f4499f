// SPDX-License-Identifier: Apache-2.0
// smmu-model-mmu500: the model of MMU-500 as a board of its own, in the place of smmu-board.
#include "tests/models/common/model/program.hpp"
#include "tests/models/mmu500/model/description.hpp"
#include "tests/models/mmu500/model/machine.hpp"

int main(int count, char** arguments) {
    using namespace smmu::model;
    return ModelProgram<mmu500::Mmu500Machine, mmu500::MachineFacts>("smmu-model-mmu500",
                                                                     mmu500::load_facts)
        .main(count, arguments);
}
