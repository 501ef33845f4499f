// SPDX-License-Identifier: Apache-2.0
#include "units/ipmmu/product.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace smmu::units::ipmmu {
namespace {

constexpr PhysAddr third_main{0xe67b0000}, fourth_main{0xeefc0000};
constexpr std::uint32_t any_cut = 0xff;

constexpr KnownCache h3_first[] = {
    {"ds0", 0xe6740000, 0},  {"ds1", 0xe7740000, 1}, {"hc", 0xe6570000, 2},
    {"ir", 0xff8b0000, 3, Domain::a3ir},
    {"mp0", 0xec670000, 4},  {"mp1", 0xec680000, 5}, {"pv0", 0xfd800000, 6},
    {"rt", 0xffc80000, 7},   {"sy", 0xe7730000, 8},
    {"vc0", 0xfe6b0000, 9, Domain::a3vc},
    {"vc1", 0xfe6f0000, 10, Domain::a3vc},
    {"vi0", 0xfebd0000, 11},
    {"vp0", 0xfe990000, 12, Domain::a3vp},
};
constexpr KnownCache h3_later[] = {
    {"ds0", 0xe6740000, 0},  {"ds1", 0xe7740000, 1}, {"hc", 0xe6570000, 2},
    {"ir", 0xff8b0000, 3, Domain::a3ir},
    {"mp0", 0xec670000, 4},  {"pv0", 0xfd800000, 6}, {"pv1", 0xfd950000, 7},
    {"pv2", 0xfd960000, 8},  {"pv3", 0xfd970000, 9}, {"rt", 0xffc80000, 10},
    {"vc0", 0xfe6b0000, 12, Domain::a3vc},
    {"vc1", 0xfe6f0000, 13, Domain::a3vc},
    {"vi0", 0xfebd0000, 14}, {"vi1", 0xfebe0000, 15},
    {"vp0", 0xfe990000, 16, Domain::a3vp},
    {"vp1", 0xfe980000, 17, Domain::a3vp},
};
constexpr KnownCache m3_w[] = {
    {"ds0", 0xe6740000, 0}, {"ds1", 0xe7740000, 1}, {"hc", 0xe6570000, 2},
    {"ir", 0xff8b0000, 3, Domain::a3ir},
    {"mp", 0xec670000, 4},  {"pv0", 0xfd800000, 5}, {"pv1", 0xfd950000, 6}, {"rt", 0xffc80000, 7},
    {"vc0", 0xfe6b0000, 8, Domain::a3vc},
    {"vi0", 0xfebd0000, 9},
};
constexpr KnownCache m3_n[] = {
    {"ds0", 0xe6740000, 0}, {"ds1", 0xe7740000, 1},  {"hc", 0xe6570000, 2},
    {"mp", 0xec670000, 4},  {"pv0", 0xfd800000, 6},  {"rt", 0xffc80000, 10},
    {"vc0", 0xfe6b0000, 12, Domain::a3vc},
    {"vi0", 0xfebd0000, 14},
    {"vp0", 0xfe990000, 16, Domain::a3vp},
};
constexpr KnownCache v3m[] = {
    {"ds1", 0xe7740000, 0},
    {"ir", 0xff8b0000, 3, Domain::a3ir},
    {"rt", 0xffc80000, 7},
    {"vi0", 0xfebd0000, 9},
};
constexpr KnownCache v3h[] = {
    {"ds1", 0xe7740000, 0},
    {"ir", 0xff8b0000, 3, Domain::a3ir},
    {"vip0", 0xe7b00000, 4}, {"rt", 0xffc80000, 10}, {"vip1", 0xe7960000, 11},
    {"vc0", 0xfe990000, 12, Domain::a3vc},
    {"vi0", 0xfebd0000, 14},
};
constexpr KnownCache s4[] = {
    {"rt0", 0xee480000, {}}, {"rt1", 0xee4c0000, {}}, {"ds0", 0xeed00000, {}}, {"hc", 0xeed40000, {}},
};
constexpr KnownCache v4h[] = {
    {"rt0", 0xee480000, {}},  {"rt1", 0xee4c0000, {}}, {"ds0", 0xeed00000, {}}, {"hc", 0xeed40000, {}},
    {"ir", 0xeed80000, {}},   {"vc", 0xeedc0000, {}},  {"3dg", 0xeee00000, {}}, {"vi0", 0xeee80000, {}},
    {"vi1", 0xeeec0000, {}},  {"vip0", 0xeef00000, {}}, {"vip1", 0xeef40000, {}},
};

// name, product, cuts, generation, main unit, stage 2, loses flushes, cache units
constexpr std::array products{
    Product{"R-Car H3 ES1", 0x4f, 0x00, 0x0f, {3}, third_main, false, false, h3_first},
    Product{"R-Car H3 ES2", 0x4f, 0x10, 0x1f, {3}, third_main, false, true, h3_later},
    Product{"R-Car H3 ES3", 0x4f, 0x20, any_cut, {3}, third_main, true, false, h3_later},
    Product{"R-Car M3-W", 0x52, 0x00, 0x1f, {3}, third_main, false, false, m3_w},
    Product{"R-Car M3-W+", 0x52, 0x20, any_cut, {3}, third_main, true, false, m3_w},
    Product{"R-Car V3M", 0x54, 0x00, any_cut, {3}, third_main, false, false, v3m},
    Product{"R-Car M3-N", 0x55, 0x00, any_cut, {3}, third_main, true, true, m3_n},
    Product{"R-Car V3H", 0x56, 0x00, any_cut, {3}, third_main, false, false, v3h},
    Product{"R-Car E3", 0x57, 0x00, any_cut, {3}, third_main, false, true, m3_n},
    Product{"R-Car D3", 0x58, 0x00, any_cut, {3}, third_main, false, false, m3_n},
    Product{"R-Car S4", 0x5a, 0x00, any_cut, {4}, fourth_main, true, false, s4},
    Product{"R-Car V4H", 0x5c, 0x00, any_cut, {4}, fourth_main, true, false, v4h},
};

}  // namespace

std::string_view name(Domain domain) {
    constexpr std::string_view names[] = {"always on", "A3VP", "A3VC", "A3IR"};
    return names[static_cast<std::size_t>(domain)];
}

const Product* find_product(topology::Chip chip) {
    const auto found = std::ranges::find_if(products, [&](const Product& product) {
        return product.code == chip.product && product.first_cut <= chip.cut && chip.cut <= product.last_cut;
    });
    return found != products.end() ? &*found : nullptr;
}

std::string describe(topology::Chip chip) {
    const Product* const known = find_product(chip);
    return fmt::format("{} ({:#x}.{:#x})", known != nullptr ? known->name : "an unknown chip", chip.product, chip.cut);
}

}  // namespace smmu::units::ipmmu
