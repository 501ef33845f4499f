// SPDX-License-Identifier: Apache-2.0
#include "paging/arm_stage2.hpp"

#include "paging/page_table_engine.hpp"

namespace smmu::paging {

template class PageTable<ArmStage2>;
template class PageTable<ArmStage2Of16K>;
template class PageTable<ArmStage2Of64K>;

}  // namespace smmu::paging
