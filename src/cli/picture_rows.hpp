// SPDX-License-Identifier: Apache-2.0
// PictureRows: the machine's tree as rows from top to bottom, and the columns they are put into. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/machine_tree.hpp"

namespace smmu::cli {

struct PictureRow {
    enum class Kind { heading, group, device } kind;
    std::string text;                       // of a heading or a group
    const report::Device* device = nullptr;  // of a device; of a group its first one here
    int depth = 0;                          // bridges above
    int parent = -1;                        // index of the bridge's row; -1: on a root bus
    bool grouped = false;                   // inside an enclosure, which the last group row began
    bool may_break = false;                 // a new column may begin here
    int column = 0, y = 0, height = 0;      // where it is; y within the column
};

struct PictureRows {
    static constexpr int device_height = 34, group_height = 20, heading_height = 30, below_group = 7;

    std::vector<PictureRow> rows;
    int columns = 1;
    int height = 0;  // of the highest column
};

PictureRows picture_rows(const report::Status& status);

}  // namespace smmu::cli
