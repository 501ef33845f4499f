// SPDX-License-Identifier: Apache-2.0
#include "paging/arm_stage1.hpp"

#include "paging/page_table_engine.hpp"

namespace smmu::paging {

template class PageTable<ArmStage1>;
template class PageTable<ArmStage1Of16K>;
template class PageTable<ArmStage1Of64K>;
template class PageTable<ArmStage1NonSecure>;

}  // namespace smmu::paging
