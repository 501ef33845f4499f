// SPDX-License-Identifier: Apache-2.0
#include "cli/svg.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/phrases.hpp"

namespace smmu::cli {

namespace {

// Text of a picture: what XML does not allow becomes a question mark.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char letter : text) {
        if (letter == '&') out += "&amp;";
        else if (letter == '<') out += "&lt;";
        else if (letter == '>') out += "&gt;";
        else if (letter == '"') out += "&quot;";
        else out += static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f ? '?' : letter;
    }
    return out;
}

}  // namespace

void Svg::rectangle(const Box& box, std::string_view kind, int radius) {
    body_ += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>\n", kind, box.x,
                         box.y, box.width, box.height, radius);
}

void Svg::line(int x1, int y1, int x2, int y2, std::string_view kind) {
    body_ += fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", kind, x1, y1, x2, y2);
}

void Svg::shape(int x, int y, std::string_view path, std::string_view kind) {
    body_ += fmt::format("<path class=\"{}\" transform=\"translate({} {})\" d=\"{}\"/>\n", kind, x, y, path);
}

void Svg::text(int x, int y, std::string_view text, std::string_view kind, int width, int letter_width) {
    const auto columns = std::size_t(std::max(1, width * 10 / letter_width));
    body_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\">{}", kind, x, y, escaped(cut(text, columns)));
    if (columns_of(text) > columns) body_ += fmt::format("<title>{}</title>", escaped(text));
    body_ += "</text>\n";
}

std::string Svg::document(int width, int height, std::string_view style, std::string_view title) const {
    return fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n"
        "<title>{2}</title>\n<style>\n{3}</style>\n<rect class=\"paper\" width=\"{0}\" height=\"{1}\"/>\n{4}</svg>\n",
        width, height, escaped(title), style, body_);
}

}  // namespace smmu::cli
