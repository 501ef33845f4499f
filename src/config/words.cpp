// SPDX-License-Identifier: Apache-2.0
#include "config/words.hpp"

#include <fmt/format.h>

namespace smmu::config {
namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

class Splicer {
public:
    explicit Splicer(const FileReader& read_file) : read_file_(read_file) {}

    void cut(std::string_view text, const std::string& source, int depth);
    Words take() { return std::move(words_); }

private:
    void add(Word word, const std::string& source, int depth);
    void splice(const Word& word, const std::string& source, int depth);
    void error(const Word& word, std::string text) {
        if (words_.errors.size() < most_errors)
            words_.errors.push_back({word.position, word.text, std::move(text)});
    }

    const FileReader& read_file_;
    Words words_;
    std::size_t splices_ = 0;
    bool full_ = false;  // nothing more is read
};

void Splicer::cut(std::string_view text, const std::string& source, int depth) {
    Position at{source, 1, 1};
    std::size_t i = 0;
    const auto step = [&] {
        if (text[i] == '\n') {
            ++at.line;
            at.column = 1;
        } else {
            ++at.column;
        }
        ++i;
    };
    while (i < text.size() && !full_) {
        if (is_space(text[i])) {
            step();
        } else if (text[i] == '#') {
            while (i < text.size() && text[i] != '\n') step();
        } else {
            Word word{{}, at};
            while (i < text.size() && !is_space(text[i]) && text[i] != '#') {
                word.text += text[i];
                step();
            }
            add(std::move(word), source, depth);
        }
    }
}

void Splicer::add(Word word, const std::string& source, int depth) {
    if (word.text.size() > longest_word) {
        word.text.resize(32);
        error(word, fmt::format("begins a word of more than {} characters", longest_word));
    } else if (word.text.front() == '@') {
        splice(word, source, depth);
    } else if (words_.words.size() == most_words) {
        error(word, fmt::format("is one word more than the {} that are read", most_words));
        full_ = true;
    } else {
        words_.words.push_back(std::move(word));
    }
}

void Splicer::splice(const Word& word, const std::string& source, int depth) {
    std::string path = word.text.substr(1);
    if (path.empty()) return error(word, "expected the path of a file right behind the @");
    if (depth == deepest_nesting)
        return error(word,
                     fmt::format("files are nested more than {} deep; does the file name itself?",
                                 deepest_nesting));
    if (++splices_ > most_splices) {
        full_ = true;
        return error(word, fmt::format("files are spliced in more than {} times", most_splices));
    }
    if (const auto slash = source.rfind('/');
        depth > 0 && slash != source.npos && path.front() != '/')
        path = source.substr(0, slash + 1) + path;
    const auto text = read_file_(path);
    if (!text) return error(word, "the file cannot be read: " + text.error().text);
    if (text->size() > longest_file)
        return error(word, fmt::format("the file is larger than {} bytes", longest_file));
    if (text->find('\0') != text->npos)
        return error(word, "the file is not text: it holds a zero byte");
    cut(*text, path, depth + 1);
}

}  // namespace

topology::Origin Position::origin() const {
    return {fmt::format("{}:{}:{}", source, line, column)};
}

std::string ConfigError::line() const {
    const std::string quoted = word.empty() ? std::string() : fmt::format("'{}': ", word);
    return fmt::format("{}: {}{}", position.origin().text, quoted, text);
}

Words read_words(std::span<const std::string> arguments, const FileReader& read_file) {
    std::string joined;
    for (const std::string& argument : arguments) {
        if (!joined.empty()) joined += ' ';
        joined += argument;
    }
    Splicer splicer(read_file);
    splicer.cut(joined, "command line", 0);
    return splicer.take();
}

}  // namespace smmu::config
