// SPDX-License-Identifier: Apache-2.0
// The picture. What a colour says is also said by a word and by a shape or a kind of line, so that it can be read in
// black and white.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/phrases.hpp"
#include "cli/picture_rows.hpp"
#include "cli/svg.hpp"
#include "cli/topology_views.hpp"

namespace smmu::cli {

namespace {

constexpr int margin = 24, column_width = 1060, indent = 22, card_height = 28;
constexpr int unit_width = 342, unit_height = 73, unit_gap = 17;
constexpr int most_lines = 12;  // of a list below the picture
constexpr std::size_t unit_colours = 8;

// Where the parts of a device's card begin, from the left of its column.
constexpr int words_at = 320, unit_at = 422, owner_at = 562, open_at = 780, refused_at = 985, card_end = 1040;

constexpr const char* style =
    "text{font-family:'DejaVu Sans','Noto Sans',Arial,sans-serif;font-size:11px;fill:#1c2530}\n"
    ".paper{fill:#fff}.title{font-size:17px;font-weight:bold}.heading{font-size:13px;font-weight:bold}\n"
    ".id{font-family:'DejaVu Sans Mono',monospace;font-size:12px;font-weight:bold}.soft{fill:#4d5966}\n"
    ".bad{font-weight:bold;fill:#9c1c10}.small{font-size:10px;fill:#3c4650}\n"
    ".link{stroke:#6d7884;stroke-width:1.4;fill:none}.rule{stroke:#c3cad1}\n"
    ".card{fill:#fff;stroke:#5d6873}.bridge{fill:#eceff2}\n"
    ".contained{fill:#e3f4e6;stroke:#2c7a3d}.blocked{stroke-dasharray:5 3;stroke:#5d6873}\n"
    ".host{fill:#fff3cf;stroke:#8a6400;stroke-width:2}.open{fill:#fbdcd8;stroke:#9c1c10;stroke-width:2.5}\n"
    ".group{fill:#f3eefb;stroke:#5b3f94;stroke-dasharray:9 3 2 3}.grouptext{font-size:10px;fill:#46307a;font-weight:bold}\n"
    ".mark-contained{fill:#2c7a3d}.mark-blocked{fill:none;stroke:#5d6873;stroke-width:2}\n"
    ".mark-host{fill:#8a6400}.mark-open{fill:none;stroke:#9c1c10;stroke-width:3}\n"
    ".u0{fill:#bcdcf5}.u1{fill:#fbd9a5}.u2{fill:#bfe8d3}.u3{fill:#f2c6de}.u4{fill:#f6efa6}.u5{fill:#d6d0f2}\n"
    ".u6{fill:#f7c9b4}.u7{fill:#d3d9df}.unit{stroke:#333d47}.nounit{fill:#fff;stroke:#9c1c10;stroke-dasharray:3 2}\n";

// The classes of a state: of the card, and of the mark in front of it.
struct Look {
    std::string_view card, mark, path;
};
Look look_of(std::string_view state) {
    if (state == "contained") return {"card contained", "mark-contained", "M 0 6 A 6 6 0 1 1 12 6 A 6 6 0 1 1 0 6 Z"};
    if (state == "blocked" || state == "gone") return {"card blocked", "mark-blocked", "M 1 6 A 5 5 0 1 1 11 6 A 5 5 0 1 1 1 6 M 2.5 9.5 L 9.5 2.5"};
    if (state == "host") return {"card host", "mark-host", "M 6 0 L 12 6 L 6 12 L 0 6 Z"};
    return {"card open", "mark-open", "M 1 1 L 11 11 M 11 1 L 1 11"};
}

class Picture {
public:
    explicit Picture(const report::Status& status)
        : status_(status), rows_(picture_rows(status)), width_(2 * margin + rows_.columns * column_width) {}

    std::string draw() {
        const std::string title = report::headline(status_);
        svg_.text(margin, y_ += 34, title, "title", width_ - 2 * margin, 96);
        svg_.text(margin, y_ += 18, fmt::format("smmuman {} on {} · interrupts {} · {} recorded",
                                                status_.version, status_.platform,
                                                status_.interrupts_forgeable ? "forgeable" : "remapped",
                                                counted(status_.transgressions, "refused access", "refused accesses")), "soft", width_ - 2 * margin);
        y_ += 14;
        draw_units();
        draw_machine();
        draw_objects();
        draw_protected();
        draw_legend();
        return svg_.document(width_, y_ + margin, style, title);
    }

private:
    std::string unit_class(std::size_t index) const {
        return index < status_.units.size() ? fmt::format("unit u{}", index % unit_colours) : "nounit";
    }
    void heading(const std::string& text) {
        y_ += 14;
        svg_.line(margin, y_, width_ - margin, y_, "rule");
        svg_.text(margin, y_ += 22, text, "heading", width_ - 2 * margin, 80);
        y_ += 6;
    }

    void draw_units() {
        const int in_a_row = std::max(1, (width_ - 2 * margin) / (unit_width + unit_gap));
        for (std::size_t i = 0; i < status_.units.size(); ++i) {
            const report::Unit& unit = status_.units[i];
            const int x = margin + int(i) % in_a_row * (unit_width + unit_gap);
            const int y = y_ + int(i) / in_a_row * (unit_height + 10);
            const auto devices = std::ranges::count_if(status_.devices, [&](const report::Device& device) {
                return std::ranges::find(device.streams, unit.name, &report::Stream::unit) != device.streams.end();
            });
            svg_.rectangle({x, y, unit_width, unit_height}, unit_class(i));
            svg_.text(x + 10, y + 18, fmt::format("U{}", i), "heading", 30);
            svg_.text(x + 44, y + 18, unit.name, "id", 190, 75);
            svg_.text(x + 240, y + 18, unit.state, unit.state == "contained" ? "heading" : "bad", 96, 82);
            svg_.text(x + 10, y + 35, fmt::format("segment {:04x} · registers {}", unit.segment, unit.registers), "",
                      unit_width - 20);
            svg_.text(x + 10, y + 50, fmt::format("{} devices · {}", devices, unit.origin), "", unit_width - 20);
            svg_.text(x + 10, y + 65, unit.mode, "", unit_width - 20, 60);
        }
        const int lines = (int(status_.units.size()) + in_a_row - 1) / in_a_row;
        y_ += lines * (unit_height + 10);
    }

    Svg::Box card_of(const PictureRow& row) const {
        const int left = margin + row.column * column_width;
        const int x = left + 14 + std::min(row.depth, 6) * indent;
        return {x, y_ + row.y + 3, left + card_end - x, card_height};
    }

    // Enclosures lie below everything, then the tree's lines, then the cards.
    void draw_machine() {
        y_ += 4;
        draw_groups();
        for (const PictureRow& row : rows_.rows) {
            if (row.parent < 0) continue;
            const Svg::Box above = card_of(rows_.rows[std::size_t(row.parent)]), card = card_of(row);
            const int x = above.x + 10, y = card.y + card_height / 2;
            svg_.line(x, above.y + card_height, x, y, "link");
            svg_.line(x, y, card.x, y, "link");
        }
        for (const PictureRow& row : rows_.rows) {
            if (row.kind == PictureRow::Kind::device) draw_device(row);
            if (row.kind == PictureRow::Kind::heading)
                svg_.text(margin + row.column * column_width, y_ + row.y + 22, row.text, "heading", column_width, 80);
        }
        y_ += rows_.height;
    }

    void draw_groups() {
        for (std::size_t i = 0; i < rows_.rows.size(); ++i) {
            const PictureRow& group = rows_.rows[i];
            if (group.kind != PictureRow::Kind::group) continue;
            std::size_t end = i + 1;
            int least_depth = group.depth;
            for (; end < rows_.rows.size() && rows_.rows[end].grouped && rows_.rows[end].kind == PictureRow::Kind::device; ++end)
                least_depth = std::min(least_depth, rows_.rows[end].depth);
            const int left = margin + group.column * column_width;
            const int x = left + 7 + std::min(least_depth, 6) * indent;
            const int bottom = rows_.rows[end - 1].y + rows_.rows[end - 1].height - 2;
            svg_.rectangle({x, y_ + group.y + 4, left + card_end + 6 - x, bottom - group.y - 5}, "group", 7);
            svg_.text(x + 10, y_ + group.y + 17, group.text, "grouptext", left + card_end - 10 - x, 68);
        }
    }

    void draw_device(const PictureRow& row) {
        const report::Device& device = *row.device;
        const Svg::Box card = card_of(row);
        const int left = margin + row.column * column_width, line = card.y + 18;
        const Look look = look_of(device.state);
        svg_.rectangle(card, device.is_bridge && device.state == "blocked" ? "card bridge blocked" : look.card);
        svg_.shape(card.x + 9, card.y + 8, look.path, look.mark);
        svg_.text(card.x + 30, line, device.id, "id", left + words_at - card.x - 38, 75);
        const int what_at = card.x + 30 + std::max(100, int(columns_of(device.id)) * 75 / 10 + 8);
        if (what_at < left + words_at - 40)
            svg_.text(what_at, line, what(device), "soft", left + words_at - 8 - what_at, 65);
        svg_.text(left + words_at, line, device.state, "", unit_at - words_at - 6, 65);

        const std::size_t unit = device.streams.empty() ? status_.units.size()
                                                        : unit_index(status_, device.streams.front().unit);
        svg_.rectangle({left + unit_at, card.y + 5, 126, 18}, unit_class(unit), 9);
        svg_.text(left + unit_at + 10, line, unit_tag(status_, device), "", 112, 68);
        svg_.text(left + owner_at, line, device.owner.pid == 0 ? "no owner" : owner_text(device.owner),
                  device.owner.pid == 0 ? "soft" : "", open_at - owner_at - 8, 60);
        const std::string open = open_text(status_, device);
        svg_.text(left + open_at, line, open, open == "nothing" ? "soft" : "", refused_at - open_at - 6, 60);
        if (device.refused != 0)
            svg_.text(left + refused_at, line, fmt::format("✗ {}", device.refused), "bad", card_end - refused_at - 4, 72);
    }
    static std::string what(const report::Device& device) {
        if (device.is_bridge && device.secondary != 0)
            return device.secondary == device.subordinate
                       ? fmt::format("bridge to bus {:02x}", device.secondary)
                       : fmt::format("bridge to buses {:02x}-{:02x}", device.secondary, device.subordinate);
        return device.description;
    }

    void draw_objects() {
        if (status_.objects.empty()) return;
        heading("Owners");
        int lines = 0;
        for (const report::Object& object : status_.objects) {
            if (++lines > most_lines) {
                svg_.text(margin, y_ += 17, fmt::format("… and {} more", status_.objects.size() - most_lines), "soft", 400);
                break;
            }
            std::uint64_t bytes = 0, by_address = 0;
            for (const report::Mapping& mapping : object.mappings) {
                bytes += mapping.last - mapping.first + 1;
                by_address += mapping.by_fd ? 0 : 1;
            }
            std::string devices;
            for (const std::string& device : object.devices) devices += " " + device;
            svg_.text(margin, y_ += 17,
                      fmt::format("{}, uid {} · {}, {} ({} by address), {} more open by rounding · owns{}",
                                  owner_text(object.owner), object.owner.uid, counted(object.mappings.size(), "grant", "grants"),
                                  report::amount(bytes), by_address, exact_amount(object.exposed_by_rounding),
                                  devices.empty() ? " no device" : devices),
                      "", width_ - 2 * margin, 65);
        }
    }

    void draw_protected() {
        if (status_.protected_memory.empty()) return;
        heading("Protected memory: no mapping of any origin reaches it");
        int lines = 0;
        for (const report::Protected& part : status_.protected_memory) {
            if (++lines > most_lines) {
                svg_.text(margin, y_ += 17,
                          fmt::format("… and {} more", status_.protected_memory.size() - most_lines), "soft", 400);
                break;
            }
            y_ += 17;
            svg_.text(margin, y_, range_text(part.first, part.last), "", 380);
            svg_.text(margin + 400, y_, part.what, "", width_ - 2 * margin - 400);
        }
    }

    void draw_legend() {
        heading("Legend");
        constexpr std::array states{
            std::pair{"contained", "reaches what is open, nothing else"},
            std::pair{"blocked", "reaches nothing"},
            std::pair{"host", "driven by the host: NOT CONTAINED"},
            std::pair{"behind no unit", "or failed: NOT CONTAINED"},
        };
        int x = margin;
        y_ += 6;
        for (const auto& [state, meaning] : states) {
            const Look look = look_of(state);
            svg_.rectangle({x, y_, 245, card_height}, look.card);
            svg_.shape(x + 9, y_ + 8, look.path, look.mark);
            svg_.text(x + 28, y_ + 13, state, "", 210);
            svg_.text(x + 28, y_ + 24, meaning, "small", 214, 58);
            x += 260;
        }
        y_ += card_height + 8;
        svg_.rectangle({margin, y_, 245, card_height}, "group", 7);
        svg_.text(margin + 10, y_ + 18, "one group: attached as a whole", "grouptext", 230, 66);
        svg_.rectangle({margin + 260, y_ + 5, 126, 18}, unit_class(0), 9);
        svg_.text(margin + 270, y_ + 18, "U0 0018 +1", "", 112);
        svg_.text(margin + 396, y_ + 18, "unit, first stream id, how many more", "", 230);
        svg_.text(margin + 640, y_ + 18, "✗ 12", "bad", 60);
        svg_.text(margin + 676, y_ + 18, "accesses refused", "", 120);
        svg_.text(margin + 800, y_ + 18, "open: by startup, reserved, grants", "", 250);
        y_ += card_height;
    }

    const report::Status& status_;
    PictureRows rows_;
    int width_;
    int y_ = 0;
    Svg svg_;
};

}  // namespace

std::string topology_svg(const report::Status& status) { return Picture(status).draw(); }

}  // namespace smmu::cli
