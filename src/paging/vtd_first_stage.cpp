// SPDX-License-Identifier: Apache-2.0
#include "paging/vtd_first_stage.hpp"

#include "paging/page_table_engine.hpp"

namespace smmu::paging {

template class PageTable<VtdFirstStage>;

}  // namespace smmu::paging
