// SPDX-License-Identifier: Apache-2.0
#include "paging/vtd_second_stage.hpp"

#include "paging/page_table_engine.hpp"

namespace smmu::paging {

template class PageTable<VtdSecondStage>;
template class PageTable<VtdSecondStageSnooped>;

}  // namespace smmu::paging
