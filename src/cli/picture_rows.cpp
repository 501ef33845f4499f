// SPDX-License-Identifier: Apache-2.0
#include "cli/picture_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/phrases.hpp"

namespace smmu::cli {

namespace {

using Kind = PictureRow::Kind;

constexpr int slack = 5 * PictureRows::device_height;
constexpr double column_aspect = 800;  // pixels of height for which one column looks right

int height_of(const PictureRow& row) {
    switch (row.kind) {
        case Kind::heading: return PictureRows::heading_height;
        case Kind::group: return PictureRows::group_height;
        case Kind::device: return PictureRows::device_height;
    }
    return 0;
}

class Rows {
public:
    explicit Rows(const report::Status& status) : status_(status) {}

    void add_machine() {
        const MachineTree machine = machine_tree(status_);
        for (const RootBus& root : machine.buses) {
            add_heading(fmt::format("segment {:04x} · root bus {:02x}", root.segment, root.bus));
            add_nodes(root.nodes, 0, -1);
        }
        if (machine.blocks.empty()) return;
        add_heading("memory-mapped devices");
        for (const report::Device* block : machine.blocks) add(*block, 0, -1);
    }
    std::vector<PictureRow> take() {
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            rows_[i].height = height_of(rows_[i]);
            const bool goes_on = i + 1 < rows_.size() && rows_[i + 1].kind == Kind::device && rows_[i + 1].grouped;
            if (rows_[i].kind == Kind::device && rows_[i].grouped && !goes_on) rows_[i].height += PictureRows::below_group;
        }
        return std::move(rows_);
    }

private:
    void add_heading(std::string text) {
        PictureRow row{Kind::heading, std::move(text)};
        row.may_break = true;
        rows_.push_back(std::move(row));
    }
    void add_nodes(const std::vector<Node>& nodes, int depth, int parent) {
        for (const Node& node : nodes) {
            const int here = add(*node.device, depth, parent);
            add_nodes(node.below, depth + 1, here);
        }
    }
    int add(const report::Device& device, int depth, int parent) {
        const auto together = members(status_, device.group);
        const PictureRow* last = rows_.empty() || rows_.back().kind != Kind::device ? nullptr : &rows_.back();
        const bool goes_on = last != nullptr && last->grouped && last->device->group == device.group;
        if (together.size() > 1 && !goes_on) {
            PictureRow group{Kind::group, fmt::format("group {} · {} devices: {}", device.group, together.size(),
                                                      group_reason(status_, device.group))};
            group.device = &device;
            group.depth = depth;
            group.may_break = depth == 0;
            rows_.push_back(std::move(group));
        }
        PictureRow row{Kind::device, {}};
        row.device = &device;
        row.depth = depth;
        row.parent = parent;
        row.grouped = together.size() > 1;
        row.may_break = depth == 0 && !row.grouped;
        rows_.push_back(std::move(row));
        return int(rows_.size()) - 1;
    }

    const report::Status& status_;
    std::vector<PictureRow> rows_;
};

// A column has about its `fair` part of the height: it ends before a root bus where one begins near there, else where
// that cuts nothing apart; the next column then says again where it is.
void place(PictureRows& picture, std::vector<PictureRow> rows, int columns, int fair) {
    int column = 0, y = 0;
    std::vector<int> moved(rows.size(), -1);  // headings that are said again move the rows behind them
    std::string heading;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        PictureRow row = std::move(rows[i]);
        const int full = row.kind == Kind::heading ? fair - slack : fair + slack;
        if (row.may_break && column + 1 < columns && y >= full) {
            ++column;
            y = 0;
            if (row.kind != Kind::heading) {
                PictureRow again{Kind::heading, heading + " (continued)"};
                again.column = column;
                again.height = PictureRows::heading_height;
                picture.rows.push_back(std::move(again));
                y = PictureRows::heading_height;
            }
        }
        if (row.kind == Kind::heading) heading = row.text;
        if (row.parent >= 0) row.parent = moved[std::size_t(row.parent)];
        row.column = column;
        row.y = y;
        y += row.height;
        picture.height = std::max(picture.height, y);
        moved[i] = int(picture.rows.size());
        picture.rows.push_back(std::move(row));
    }
    picture.columns = column + 1;
}

}  // namespace

PictureRows picture_rows(const report::Status& status) {
    Rows machine(status);
    machine.add_machine();
    std::vector<PictureRow> rows = machine.take();
    int height = 0;
    for (const PictureRow& row : rows) height += row.height;
    const int columns = std::max(1, int(std::lround(std::sqrt(height / column_aspect))));
    PictureRows picture;
    place(picture, std::move(rows), columns, height / columns);
    return picture;
}

}  // namespace smmu::cli
