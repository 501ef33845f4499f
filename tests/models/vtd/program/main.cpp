// SPDX-License-Identifier: Apache-2.0
// smmu-model-vtd: the model of VT-d units as a board of its own, in the place of smmu-board.
#include "tests/models/common/model/program.hpp"
#include "tests/models/vtd/model/description.hpp"
#include "tests/models/vtd/model/machine.hpp"

int main(int count, char** arguments) {
    using namespace smmu::model;
    return ModelProgram<vtd::VtdMachine, vtd::MachineFacts>("smmu-model-vtd", vtd::load_facts)
        .main(count, arguments);
}
