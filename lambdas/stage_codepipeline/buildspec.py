"""How CodeBuild builds: as the repository says, or from its Dockerfile.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

NAME = "buildspec.yml"
KEY = "buildspec/default.yml"
"""Where the default lies among the pipeline's artifacts."""

DEFAULT = """version: 0.2
phases:
  pre_build:
    commands:
      - aws ecr get-login-password | docker login --username AWS --password-stdin "${REPOSITORY_URI%%/*}"
  build:
    commands:
      # Tags are immutable: what was built of a commit is what runs of it.
      - |
        image="imageTag=$IMAGE_TAG"
        if aws ecr describe-images --repository-name "$REPOSITORY_NAME" --image-ids "$image" >/dev/null 2>&1; then
          echo "The image $IMAGE_TAG is there already."
        else
          docker build --tag "$REPOSITORY_URI:$IMAGE_TAG" --build-arg COMMIT="$IMAGE_TAG" .
          docker push "$REPOSITORY_URI:$IMAGE_TAG"
        fi
      - printf '{"tag":"%s","image":"%s"}' "$IMAGE_TAG" "$REPOSITORY_URI:$IMAGE_TAG" >build.json
artifacts:
  files: [build.json]
"""
