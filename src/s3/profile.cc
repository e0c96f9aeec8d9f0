#include "s3/profile.h"

#include <algorithm>
#include <utility>

#include "ingot/error.h"
#include "s3/encoding.h"
#include "s3/small_file.h"

namespace ingot::s3 {

namespace {

// "profile  work" and `profile "work"` are "profile work".
std::string section_name(std::string_view text) {
  std::string name;
  bool quoted = false;
  for (const char c : trimmed(text)) {
    if (c == '"' || c == '\'') {
      quoted = !quoted;
    } else if (!quoted && (c == ' ' || c == '\t')) {
      if (!name.ends_with(' ')) name += ' ';
    } else {
      name += c;
    }
  }
  return name;
}

// A comment within a line begins with '#' or ';' after a space.
std::string_view without_comment(std::string_view text) {
  for (std::size_t at = 1; at < text.size(); ++at) {
    const bool begins = text[at] == '#' || text[at] == ';';
    if (begins && (text[at - 1] == ' ' || text[at - 1] == '\t')) return text.substr(0, at);
  }
  return text;
}

class ProfileReader {
 public:
  ProfileFile read(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (const char* error = take(line)) return {{}, "line " + std::to_string(number) + ": " + error};
    }
    return std::move(file_);
  }

 private:
  // What is wrong with the line; null: nothing.
  const char* take(std::string_view line) {
    const std::string_view content = trimmed(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') return nullptr;
    if (line.find('\0') != std::string_view::npos) return "a zero byte";
    const std::size_t indentation = line.find_first_not_of(" \t");
    if (!property_.empty() && indentation > indentation_) return take_indented(content);
    indentation_ = indentation;
    return content.front() == '[' ? take_section(content) : take_property(content);
  }

  const char* take_section(std::string_view content) {
    const std::size_t end = content.find(']');
    if (end == std::string_view::npos) return "a section's name without its ']'";
    const std::string_view rest = trimmed(content.substr(end + 1));
    if (!rest.empty() && rest.front() != '#' && rest.front() != ';') return "something after a section's ']'";
    const std::string name = section_name(content.substr(1, end - 1));
    if (name.empty()) return "a section without a name";
    section_ = &file_.sections[name];
    property_.clear();
    return nullptr;
  }

  const char* take_property(std::string_view content) {
    if (section_ == nullptr) return "a setting before the first [section]";
    const std::size_t equals = content.find('=');
    const std::string name = lower_case(trimmed(content.substr(0, equals)));
    if (equals == std::string_view::npos) return "neither a [section] nor a setting (name = value)";
    if (name.empty()) return "a setting without a name";
    property_ = name;
    (*section_)[name] = trimmed(without_comment(content.substr(equals + 1)));
    return nullptr;
  }

  // Deeper than the setting before it. If that has no value: a setting inside it. Else more of its value.
  const char* take_indented(std::string_view content) {
    std::string& value = (*section_)[property_];
    if (!value.empty()) {
      value.append("\n").append(content);
      return nullptr;
    }
    const std::size_t equals = content.find('=');
    const std::string name = lower_case(trimmed(content.substr(0, equals)));
    if (equals == std::string_view::npos || name.empty()) return "an indented line that is no setting (name = value)";
    (*section_)[property_ + "." + name] = trimmed(without_comment(content.substr(equals + 1)));
    return nullptr;
  }

  ProfileFile file_;
  Properties* section_ = nullptr;
  std::string property_;  // the last one of the section
  std::size_t indentation_ = 0;
};

[[noreturn]] void refuse_file(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::invalid_argument, "read the AWS profiles in \"" + printable(path, 300) + "\": " + reason);
}

std::string file_path(const Environment& environment, std::string_view name, const char* in_home) {
  const std::string home = variable(environment, "HOME");
  std::string path = variable(environment, name);
  if (path.starts_with("~/") && !home.empty()) return home + path.substr(1);
  if (!path.empty()) return path;
  return home.empty() ? "" : home + in_home;
}

ProfileFile load_file(const std::string& path) {
  if (path.empty()) return {};
  const SmallFile read = read_small_file(path, kProfileFileBytesMax);
  if (read.kind == SmallFile::Kind::absent) return {};
  if (read.kind == SmallFile::Kind::unreadable) refuse_file(path, read.error + ".");
  ProfileFile file = parse_profile_file(read.text);
  if (!file.error.empty()) refuse_file(path, file.error + ".");
  return file;
}

// Adds what is not there.
bool add_section(Properties& to, const ProfileFile& file, std::string_view name) {
  const auto section = file.sections.find(name);
  if (section == file.sections.end()) return false;
  to.insert(section->second.begin(), section->second.end());
  return true;
}

std::string profile_name(const Environment& environment) {
  for (const char* name : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    std::string value = variable(environment, name);
    if (!value.empty()) return value;
  }
  return {};
}

}  // namespace

ProfileFile parse_profile_file(std::string_view text) {
  return ProfileReader().read(text);
}

Profile load_profile(const Environment& environment) {
  const std::string credentials_path = file_path(environment, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  const std::string config_path = file_path(environment, "AWS_CONFIG_FILE", "/.aws/config");
  const ProfileFile credentials = load_file(credentials_path);
  const ProfileFile config = load_file(config_path);

  Profile profile;
  const std::string named = profile_name(environment);
  profile.name = named.empty() ? "default" : named;
  profile.files = "\"" + printable(credentials_path, 300) + "\" and \"" + printable(config_path, 300) + "\"";
  bool found = add_section(profile.properties, credentials, profile.name);
  found |= add_section(profile.properties, config, "profile " + profile.name);
  if (profile.name == "default") found |= add_section(profile.properties, config, "default");
  if (!found && !named.empty()) {
    throw Error(ErrorCode::invalid_argument, "find the AWS profile \"" + printable(named, 100) +
                                                 "\", which AWS_PROFILE names: it is neither in " + profile.files +
                                                 ".");
  }
  const auto services = profile.properties.find("services");
  if (services != profile.properties.end()) add_section(profile.services, config, "services " + services->second);
  return profile;
}

}  // namespace ingot::s3
