// SPDX-License-Identifier: Apache-2.0
// Svg: a picture that is written as it is drawn. Lengths are in pixels.
#pragma once

#include <string>
#include <string_view>

namespace smmu::cli {

class Svg {
public:
    struct Box {
        int x, y, width, height;
    };

    // `kind` names classes of the style sheet.
    void rectangle(const Box& box, std::string_view kind, int radius = 4);
    void line(int x1, int y1, int x2, int y2, std::string_view kind);
    // "M 0 0 L 8 8": the path language of SVG, moved to x, y.
    void shape(int x, int y, std::string_view path, std::string_view kind);
    // Begins at x, stands on y; cut to `width` for letters of `letter_width` tenths of a pixel.
    void text(int x, int y, std::string_view text, std::string_view kind, int width, int letter_width = 62);

    std::string document(int width, int height, std::string_view style, std::string_view title) const;

private:
    std::string body_;
};

}  // namespace smmu::cli
