// The parsers of what servers answer: XML, and the JSON of metadata services.
#include "s3/xml.h"

#include <gtest/gtest.h>

#include "s3/answers.h"
#include "s3/dates.h"
#include "s3/json.h"

namespace ingot::s3 {
namespace {

// The document as a list of "path=text" in the order in which elements end; "!" if it is none.
std::string read(std::string_view document) {
  std::string out;
  const bool is_document = parse_xml(
      document,
      {[&](std::string_view path) { out.append("<").append(path).append(">"); },
       [&](std::string_view path, std::string&& text) { out.append(path).append("=").append(text).append(";"); }});
  return is_document ? out : "!";
}

TEST(Xml, IsElementsAndText) {
  EXPECT_EQ(read("<a/>"), "<a>a=;");
  EXPECT_EQ(read("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a xmlns=\"http://x/\"><b>1</b><b c='2' >3</b ></a>\n"),
            "<a><a/b>a/b=1;<a/b>a/b=3;a=;");
  EXPECT_EQ(read("<a> x<b/>y </a>"), "<a><a/b>a/b=;a= xy ;");
}

TEST(Xml, HasEntities) {
  EXPECT_EQ(read("<a>&lt;&gt;&amp;&quot;&apos;&#38;&#x26;&#xE4;&#8364;</a>"), "<a>a=<>&\"'&&\xc3\xa4\xe2\x82\xac;");
}

TEST(Xml, IsStrict) {
  for (const char* document : {"",
                               " ",
                               "a",
                               "<",
                               "<a",
                               "<a>",
                               "<a></b>",
                               "<a></a",
                               "<a></a></a>",
                               "<a/><b/>",
                               "<a/>x",
                               "x<a/>",
                               "<a><b></a></b>",
                               "<a>&nbsp;</a>",
                               "<a>&lt</a>",
                               "<a>&#;</a>",
                               "<a>&#x;</a>",
                               "<a>&#xD800;</a>",
                               "<a>&#x110000;</a>",
                               "<a>&#1a;</a>",
                               "<a>&#123456789;</a>",
                               "<a><!-- c --></a>",
                               "<!DOCTYPE a><a/>",
                               "<a><![CDATA[x]]></a>",
                               "<a b></a>",
                               "<a b=c></a>",
                               "<a b=\"c></a>",
                               "<a b=\"<\"></a>",
                               "<a b=\"c\"d=\"e\"/>",
                               "< a/>",
                               "<a><?pi?></a>",
                               "<?xml",
                               "</a>",
                               "<a / >",
                               "<a/ >"}) {
    EXPECT_EQ(read(document), "!") << document;
  }
}

TEST(Xml, IsNotDeep) {
  const auto nested = [](int depth) {
    std::string begin;
    std::string end;
    for (int i = 0; i < depth; ++i) {
      begin += "<a>";
      end += "</a>";
    }
    return begin + end;
  };
  EXPECT_NE(read(nested(kXmlDepthMax)), "!");
  EXPECT_EQ(read(nested(kXmlDepthMax + 1)), "!");
}

TEST(Xml, EscapesWhatItMust) {
  EXPECT_EQ(xml_escaped("\"a<b>&'"), "&quot;a&lt;b&gt;&amp;'");
}

TEST(ParseError, TakesCodeMessageAndRegion) {
  const ServiceError error = parse_error(
      "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'a' is "
      "wrong;\nexpecting 'b'</Message><Region>b</Region><RequestId>1</RequestId></Error>");
  EXPECT_EQ(error.code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(error.message, "the region 'a' is wrong;?expecting 'b'");
  EXPECT_EQ(error.region, "b");
  EXPECT_EQ(parse_error("<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>"
                        "<Message>m</Message></Error></ErrorResponse>")
                .code,
            "InvalidIdentityToken");
}

TEST(ParseError, IsEmptyOfWhatIsNone) {
  for (const char* body : {"", "<html><body>503 Service Unavailable</body></html>", "Service Unavailable",
                           "<Error><Code>SlowDown</Code>", "<Other><Code>SlowDown</Code></Other>"}) {
    EXPECT_EQ(parse_error(body).code, "") << body;
  }
}

TEST(ParseError, IsBounded) {
  const ServiceError error = parse_error("<Error><Code>" + std::string(10'000, 'c') + "</Code><Message>" +
                                         std::string(10'000, 'm') + "</Message></Error>");
  EXPECT_LT(error.code.size() + error.message.size(), 500U);
}

std::string list_of(const std::string& contents, const std::string& more) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
         "<Name>bucket</Name><Prefix>a/</Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys>" +
         contents + more + "</ListBucketResult>";
}

std::string listed(const std::string& key, const std::string& size = "5",
                   const std::string& modified = "2026-01-02T03:04:05.000Z") {
  return "<Contents><Key>" + key + "</Key><LastModified>" + modified +
         "</LastModified><ETag>&quot;e&quot;</ETag><Size>" + size +
         "</Size><StorageClass>STANDARD</StorageClass></Contents>";
}

TEST(ParseList, TakesObjectsAndWhatComesNext) {
  const auto page = parse_list(list_of(listed("a/1") + listed("a/2", "18446744073709551615"),
                                       "<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1"
                                       "</NextContinuationToken>"));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_EQ(page->objects[0].key, "a/1");
  EXPECT_EQ(page->objects[0].bytes, 5U);
  EXPECT_EQ(page->objects[0].modified, parse_iso_date("2026-01-02T03:04:05Z"));
  EXPECT_EQ(page->objects[1].bytes, ~0ULL);
  EXPECT_EQ(page->continuation, "t&1");
}

TEST(ParseList, LastPageHasNoNext) {
  const auto page =
      parse_list(list_of("", "<IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken>"));
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->objects.empty());
  EXPECT_EQ(page->continuation, "");
}

TEST(ParseList, DecodesKeysOnlyIfTheyAreEncoded) {
  const std::string end = "<IsTruncated>false</IsTruncated>";
  EXPECT_EQ(parse_list(list_of(listed("a%2Fb+c"), end))->objects[0].key, "a%2Fb+c");
  EXPECT_EQ(parse_list(list_of(listed("a%2Fb+c"), end + "<EncodingType>url</EncodingType>"))->objects[0].key, "a/b c");
  EXPECT_FALSE(parse_list(list_of(listed("a%2"), end + "<EncodingType>url</EncodingType>")));
}

TEST(ParseList, RefusesWhatIsNoListing) {
  const std::string end = "<IsTruncated>false</IsTruncated>";
  for (const std::string& body :
       {std::string(), std::string("<Error><Code>SlowDown</Code></Error>"), list_of(listed("a"), ""),
        list_of(listed("a"), "<IsTruncated>maybe</IsTruncated>"),
        list_of(listed("a"), "<IsTruncated>true</IsTruncated>"), list_of(listed(""), end),
        list_of(listed("a", "-5"), end), list_of(listed("a", ""), end), list_of(listed("a", "5", "yesterday"), end),
        list_of("<Contents/>", end), list_of("<Contents><Key>a</Key></Contents>", end),
        list_of(listed("a"), end).substr(0, 300),
        std::string("<a><ListBucketResult>") + end + "</ListBucketResult></a>"}) {
    EXPECT_FALSE(parse_list(body)) << body;
  }
}

std::string uploads_of(const std::string& uploads, const std::string& more) {
  return "<ListMultipartUploadsResult><Bucket>b</Bucket>" + uploads + more + "</ListMultipartUploadsResult>";
}

TEST(ParseUploads, TakesUploadsAndMarkers) {
  const std::string upload =
      "<Upload><Key>a%2Fb</Key><UploadId>2~x</UploadId><Initiator><ID>i</ID></"
      "Initiator><Initiated>2026-01-02T03:04:05.000Z"
      "</Initiated></Upload>";
  const auto page =
      parse_uploads(uploads_of(upload + upload,
                               "<EncodingType>url</EncodingType><NextKeyMarker>a%2Fb</NextKeyMarker>"
                               "<NextUploadIdMarker>2~y</NextUploadIdMarker><IsTruncated>true</IsTruncated>"));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->uploads.size(), 2U);
  EXPECT_EQ(page->uploads[1].key, "a/b");
  EXPECT_EQ(page->uploads[1].id, "2~x");
  EXPECT_EQ(page->uploads[1].begun, parse_iso_date("2026-01-02T03:04:05Z"));
  EXPECT_FALSE(page->is_last);
  EXPECT_EQ(page->next_key, "a/b");
  EXPECT_EQ(page->next_id, "2~y");
  EXPECT_TRUE(parse_uploads(uploads_of("", "<IsTruncated>false</IsTruncated>"))->is_last);
  EXPECT_FALSE(parse_uploads(uploads_of(upload, "")));
  EXPECT_FALSE(parse_uploads(uploads_of(upload, "<IsTruncated>true</IsTruncated>")));
  EXPECT_FALSE(parse_uploads(uploads_of("<Upload><Key>a</Key></Upload>", "<IsTruncated>false</IsTruncated>")));
}

TEST(ParseUploadId, TakesIt) {
  EXPECT_EQ(parse_upload_id("<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>2~x</UploadId>"
                            "</InitiateMultipartUploadResult>"),
            "2~x");
  EXPECT_FALSE(parse_upload_id("<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>"));
  EXPECT_FALSE(parse_upload_id("<InitiateMultipartUploadResult><UploadId>2~x</UploadId>"));
}

TEST(IsCompletion, ToleratesTheSpacesThatS3SendsWhileItWorks) {
  EXPECT_TRUE(
      is_completion("  \n\n <?xml version=\"1.0\"?> <CompleteMultipartUploadResult><ETag>e</ETag>"
                    "</CompleteMultipartUploadResult>"));
  EXPECT_FALSE(is_completion(""));
  EXPECT_FALSE(is_completion("    "));
  EXPECT_FALSE(is_completion("<CompleteMultipartUploadResult><ETag>e</ETag>"));
  EXPECT_FALSE(is_completion("<Error><Code>InternalError</Code></Error>"));
}

std::string credentials_in(const std::string& begin, const std::string& expiration, const std::string& end) {
  return begin +
         "<Credentials><AccessKeyId>id</AccessKeyId><SecretAccessKey>s&amp;t</SecretAccessKey><SessionToken>"
         "token</SessionToken><Expiration>" +
         expiration + "</Expiration></Credentials>" + end;
}

TEST(ParseSession, TakesWholeCredentialsOnly) {
  const Credentials expected{"id", "s&t", "token", parse_iso_date("2026-01-02T03:04:05Z")};
  const std::string session = "CreateSessionResult";
  EXPECT_EQ(parse_session(credentials_in("<" + session + ">", "2026-01-02T03:04:05Z", "</" + session + ">")), expected);
  EXPECT_FALSE(parse_session(credentials_in("<" + session + ">", "soon", "</" + session + ">")));
  EXPECT_FALSE(parse_session(credentials_in("<" + session + ">", "2026-01-02T03:04:05Z", "")));
  EXPECT_FALSE(parse_session("<CreateSessionResult><Credentials/></CreateSessionResult>"));
  EXPECT_EQ(parse_assumed_role(credentials_in(
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>", "2026-01-02T03:04:05Z",
                "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")),
            expected);
}

TEST(Json, GivesTheStringsOfAnObject) {
  const auto strings = parse_json_strings(
      " {\"a\" : \"x\\\"\\u00e4\\ud83d\\ude00\\n\", \"b\":1.5e3, \"c\":null,\"d\":{\"a\":[1,{},[]]}, \"e\":\"\"} ");
  ASSERT_TRUE(strings);
  EXPECT_EQ(*strings,
            (std::map<std::string, std::string, std::less<>>{{"a", "x\"\xc3\xa4\xf0\x9f\x98\x80\n"}, {"e", ""}}));
  EXPECT_TRUE(parse_json_strings("{}")->empty());
}

TEST(Json, IsStrict) {
  for (const char* text : {"",
                           "[]",
                           "\"a\"",
                           "{",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":\"b\",}",
                           "{\"a\":\"b\"}x",
                           "{\"a\":\"b\" \"c\":\"d\"}",
                           "{a:\"b\"}",
                           "{\"a\":\"b}",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"\\ud800\"}",
                           "{\"a\":\"\\ude00\"}",
                           "{\"a\":\"\\ud800\\u0041\"}",
                           "{\"a\":\"1\n2\"}",
                           "{\"a\":\"b\",\"a\":\"c\"}",
                           "{\"a\":[1}",
                           "{\"a\":{\"b\":1]}"}) {
    EXPECT_FALSE(parse_json_strings(text)) << text;
  }
  const auto nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(parse_json_strings(nested(16)));
  EXPECT_FALSE(parse_json_strings(nested(17)));
}

}  // namespace
}  // namespace ingot::s3
