// SPDX-License-Identifier: Apache-2.0
// The engine behind PageTable. Only the one .cpp of each format includes it and instantiates PageTable<Format> there;
// everybody else sees page_table.hpp.
#pragma once

#include "paging/table_commit.hpp"
#include "paging/table_in_place.hpp"
#include "paging/table_prepare.hpp"
#include "paging/table_query.hpp"
