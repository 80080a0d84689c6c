"""CodePipeline's Manifest action: the service's template and parameters, as an artifact."""
