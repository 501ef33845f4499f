// SPDX-License-Identifier: Apache-2.0
// smmu, unit, unclaimed and uncontained: which units there are and what becomes of what they do not
// know.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "config/parser.hpp"

namespace smmu::config {
namespace {

using topology::UnitKind;

struct TypeWord {
    std::string_view word;
    std::optional<UnitKind> kind;
};

constexpr std::array type_words{
    TypeWord{"vtd", UnitKind::vtd},          TypeWord{"armsmmu", UnitKind::smmuv2},
    TypeWord{"armsmmuv3", UnitKind::smmuv3}, TypeWord{"rcar3", UnitKind::ipmmu},
    TypeWord{"amdvi", UnitKind::amdvi},      TypeWord{"riscv", UnitKind::riscv},
    TypeWord{"virtio", UnitKind::virtio},    TypeWord{"vfio", std::nullopt},
};

// "smmu-vtd-safety.so", "smmu-vtd.so", "smmu-vtd" and "vtd" name the same.
const TypeWord* find_type(std::string_view word) {
    if (word.ends_with(".so")) word.remove_suffix(3);
    if (word.starts_with("smmu-")) word.remove_prefix(5);
    if (word.ends_with("-safety")) word.remove_suffix(7);
    const auto at = std::ranges::find(type_words, word, &TypeWord::word);
    return at != type_words.end() ? &*at : nullptr;
}

std::vector<std::string_view> cut_at(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == text.npos) return parts;
        text.remove_prefix(at + 1);
    }
}

// How the parameter of a unit is written, and how many parts of it there may be.
struct UnitForm {
    std::string_view text;
    std::size_t fewest, most;
    std::size_t interrupts;  // behind the address
    bool has_bypass;
};

UnitForm form_of(UnitKind kind) {
    switch (kind) {
        case UnitKind::smmuv2:
            return {"paddr,NScIrpt,NSgIrpt,bypass[,res_sid[,cfg_dll]]", 4, 6, 2, true};
        case UnitKind::smmuv3:
            return {"paddr,evtq_irq,gerr_irq,bypass[,res_sid]", 4, 5, 2, true};
        case UnitKind::ipmmu:
            return {"paddr,intr_status_bit", 2, 2, 1, false};
        default:
            return {"the address of its registers", 1, 1, 0, false};
    }
}

bool parse_reserved_streams(Parser& parser, const Word& word, std::string_view text,
                            UnitEntry& unit) {
    if (text.empty()) return true;  // left out before cfg_dll
    for (const std::string_view part : cut_at(text, ':')) {
        const auto stream = parser.number(word, part, "a reserved stream id");
        if (!stream) return false;
        unit.reserved_streams.push_back(*stream);
    }
    return true;
}

bool parse_bypass(Parser& parser, const Word& word, std::string_view text, UnitEntry& unit) {
    if (text != "0" && text != "1") {
        parser.error(word, fmt::format("expected 0 or 1 for bypass, not '{}'", text));
        return false;
    }
    unit.bypass = text == "1";
    return true;
}

bool parse_unit_parts(Parser& parser, const Word& word, UnitEntry& unit) {
    const UnitForm form = form_of(unit.kind);
    const auto parts = cut_at(word.text, ',');
    if (parts.size() < form.fewest || parts.size() > form.most) {
        parser.error(word, fmt::format("expected {}", form.text));
        return false;
    }
    const auto base = parser.address_in(word, parts[0]);
    if (!base) return false;
    unit.base = PhysAddr{*base};
    std::size_t next = 1;
    for (; next <= form.interrupts; ++next) {
        const auto interrupt =
            parser.number(word, parts[next],
                          unit.kind == UnitKind::ipmmu ? "a bit of the interrupt status register"
                                                       : "an interrupt number");
        if (!interrupt) return false;
        unit.interrupts.push_back(*interrupt);
    }
    if (form.has_bypass && !parse_bypass(parser, word, parts[next++], unit)) return false;
    if (next < parts.size() && !parse_reserved_streams(parser, word, parts[next++], unit))
        return false;
    if (next == parts.size()) return true;
    unit.board_library = parts[next];
    if (unit.board_library == "imx8") return true;
    parser.error(word, fmt::format("'{}' is not a board that is built in: expected imx8",
                                   unit.board_library));
    return false;
}

bool parse_vtd_parameter(Parser& parser, SupportModule& module) {
    const Word* word = parser.take();
    if (word == nullptr) return true;
    if (word->text == "require" || word->text == "ignore") {
        module.tables = word->text == "require" ? TablePolicy::require : TablePolicy::ignore;
        return true;
    }
    parser.error(*word, "expected require, ignore or an option");
    return false;
}

std::optional<topology::Chip> parse_chip(Parser& parser, const Word& word, std::string_view text) {
    const auto dot = text.find('.');
    if (dot == std::string_view::npos) {
        parser.error(word, fmt::format("expected socid.revid, not '{}'", text));
        return std::nullopt;
    }
    const auto product = parser.number(word, text.substr(0, dot), "a chip id");
    const auto cut = product ? parser.number(word, text.substr(dot + 1), "a chip revision") : product;
    return cut ? std::optional(topology::Chip{*product, *cut}) : std::nullopt;
}

bool parse_rcar_parameter(Parser& parser, SupportModule& module) {
    constexpr std::string_view form = "paddr,fault_vector,mm_fault_bit{,socid.revid}";
    const Word* word = parser.need(form);
    if (word == nullptr) return false;
    const auto parts = cut_at(word->text, ',');
    if (parts.size() < 3) {
        parser.error(*word, fmt::format("expected {}", form));
        return false;
    }
    const auto base = parser.address_in(*word, parts[0]);
    const auto interrupt = base ? parser.number(*word, parts[1], "the fault interrupt") : std::nullopt;
    const auto bit = interrupt ? parser.number(*word, parts[2], "a bit of the interrupt status register") : std::nullopt;
    if (!bit) return false;
    module.main = {PhysAddr{*base}, *interrupt, *bit, {}};
    for (const std::string_view part : std::span(parts).subspan(3)) {
        const auto chip = parse_chip(parser, *word, part);
        if (!chip) return false;
        module.main->chips.push_back(*chip);
    }
    return true;
}

}  // namespace

bool parse_smmu(Parser& parser) {
    constexpr std::string_view expected =
        "vtd, armsmmu, armsmmuv3, rcar3, amdvi, riscv, virtio or vfio";
    const Word* word = parser.need(expected);
    if (word == nullptr) return false;
    const TypeWord* type = find_type(word->text);
    if (type == nullptr) {
        parser.error(*word, fmt::format("expected {}", expected));
        return false;
    }
    SupportModule module{type->kind, TablePolicy::if_present, {}, parser.option_origin()};
    bool sound = true;
    if (type->kind == UnitKind::vtd) sound = parse_vtd_parameter(parser, module);
    if (type->kind == UnitKind::ipmmu) sound = parse_rcar_parameter(parser, module);
    // Kept also when its parameter is wrong: the units behind it are then still read as what they
    // are.
    parser.configuration().modules.push_back(std::move(module));
    return sound;
}

bool parse_unit(Parser& parser) {
    const Word* name_word = parser.need("a name");
    if (name_word == nullptr) return false;
    const auto name = parser.name(*name_word, "a name");
    if (!name) return false;
    if (const UnitEntry* twin = parser.configuration().find_unit(*name)) {
        parser.error(*name_word, fmt::format("a unit of this name is already described at {}",
                                             twin->origin.text));
        return false;
    }
    const auto module = parser.module_so_far();
    if (!module || !module->kind) {
        parser.error(*name_word,
                     module
                         ? "units of vfio belong to the kernel and cannot be described by hand"
                         : "expected a smmu word before it, which says what kind of unit this is");
        return false;
    }
    UnitEntry unit{.name = *name, .kind = *module->kind, .base = {}, .interrupts = {}, .reserved_streams = {}, .board_library = {},
                   .origin = parser.option_origin()};
    if (module->main) unit.main_base = module->main->base;
    const Word* word = parser.need(form_of(unit.kind).text);
    if (word == nullptr || !parse_unit_parts(parser, *word, unit)) return false;
    parser.configuration().units.push_back(std::move(unit));
    return true;
}

bool parse_unclaimed(Parser& parser) {
    const Word* word = parser.need("block or bypass");
    if (word == nullptr) return false;
    if (word->text != "block" && word->text != "bypass") {
        parser.error(*word, "expected block or bypass");
        return false;
    }
    UnclaimedEntry entry{word->text == "bypass", std::nullopt, parser.option_origin()};
    if (const Word* unit = parser.take()) {
        entry.unit = parser.name(*unit, "the name of a unit");
        if (!entry.unit) return false;
    }
    parser.configuration().unclaimed.push_back(std::move(entry));
    return true;
}

bool parse_uncontained(Parser& parser) {
    const Word* word = parser.need("accept");
    if (word == nullptr) return false;
    if (word->text != "accept") {
        parser.error(*word, "expected accept");
        return false;
    }
    const Word* address_word = parser.need("the address of a unit's registers");
    if (address_word == nullptr) return false;
    const auto address = parser.address(*address_word);
    if (!address) return false;
    parser.configuration().uncontained_accepted.push_back(
        {PhysAddr{*address}, parser.option_origin()});
    return true;
}

}  // namespace smmu::config
